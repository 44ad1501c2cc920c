// Comforts for a page that is whole without them. Strings stay text; nothing is loaded, evaluated or parsed.
// f is a figure, e an event, one an element; a box: left, top, width, height.
"use strict";
{
const LONGEST = 1800, DEEPEST = 10, NEAR = 14, doc = document;
const all = (selector, root = doc) => [...root.querySelectorAll(selector)];
const on = (target, name, act, more) => target.addEventListener(name, act, more);
const set = (one, values) => Object.entries(values).forEach(([name, value]) => one.setAttribute(name, value));
const put = (map, name, one) => map.get(name)?.push(one) ?? map.set(name, [one]);
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const shown = mark => !mark.closest(".off");
const seriesOf = one => one.closest("[data-series]")?.dataset.series ?? legendOf(one);
const legendOf = one => one.closest("[data-legend]")?.dataset.legend;
const tip = doc.getElementById("tip"), details = all("details");
const figures = new Map(), series = new Map(), legends = new Map(), keys = new Map(), off = new Set();
let lit = [], litNow, later, closed;

function say(words, box) {
	tip.textContent = words;
	tip.hidden = false;
	const { offsetWidth: w, offsetHeight: h } = tip, above = box.top - h - 9;
	tip.style.left = clamp((box.left + box.right - w) / 2, 6, doc.body.clientWidth - w - 6) + "px";
	tip.style.top = scrollY + (above > 6 ? above : Math.min(box.bottom + 9, innerHeight - h - 6)) + "px";
}
function show(mark, e) {
	let box = mark.getBoundingClientRect();
	if (e && box.width + box.height > 160) box = new DOMRect(e.clientX, e.clientY - 6, 0, 18);
	say(mark.getAttribute("aria-label"), box);
	light(seriesOf(mark), mark.dataset.key);
}
function hush(name) {
	tip.hidden = true;
	light(name);
}
// The same series, and the same thing, in every figure.
function light(name, key) {
	if (litNow === (litNow = name + "\n" + key)) return;
	for (const [one, word] of lit) one.classList.remove(word);
	lit = (keys.get(key) ?? []).map(one => [one, "lit-key"]);
	for (const one of !off.has(name) && series.get(name) || []) lit.push([one, "lit"], [one.closest(".figure"), "has-lit"]);
	for (const [one, word] of lit) one.classList.add(word);
}
const drop = f => set(f.band, { width: f.drag = 0 });
const unit = f => 1 / f.view.getScreenCTM().a; // of a drawing, in one pixel
function place(f, e) {
	const { e: left, f: top } = f.view.getScreenCTM();
	return [(e.clientX - left) * unit(f), (e.clientY - top) * unit(f)];
}
function centre(mark) {
	const { x, y, width, height } = mark.getBBox();
	return [x + width / 2, y + height / 2];
}
function hover(f, e) {
	const [x, y] = place(f, e);
	let best = f.marks.find(mark => mark === e.target), least = NEAR * unit(f);
	if (!best && !legendOf(e.target)) for (const mark of f.marks) {
		if (mark.localName !== "use" || !shown(mark)) continue;
		const at = centre(mark), far = Math.hypot(at[0] - x, at[1] - y);
		if (far <= least) [best, least] = [mark, far];
	}
	best ? show(best, e) : hush(seriesOf(e.target));
}

// One tab stop a figure; left and right: another mark, up and down: another series.
function stopAt(f, mark) {
	f.stop?.removeAttribute("tabindex");
	f.stop = mark;
	mark?.setAttribute("tabindex", 0);
}
function nextOf(f, key) {
	const marks = f.marks.filter(shown), at = marks.indexOf(f.stop);
	const rest = /Right|Down|End/.test(key) ? marks.slice(at + 1) : marks.slice(0, at).reverse();
	return /Home|End/.test(key) ? rest.at(-1) : rest.find(mark => /Left|Right/.test(key) || seriesOf(mark) !== seriesOf(f.stop)) ?? rest[0];
}
function onKey(f, e) {
	const legend = e.target.dataset.legend;
	if (e.key === "Escape") {
		drop(f);
		return e.target.blur();
	}
	if (legend ? !/^(Enter| )$/.test(e.key) : e.target !== f.stop || !/^(Arrow|Home|End)/.test(e.key)) return;
	e.preventDefault();
	if (legend) return toggle(legend);
	stopAt(f, nextOf(f, e.key) ?? f.stop);
	f.stop.focus();
}
function onFocus(f, { target: mark }) {
	if (!f.marks.includes(mark)) return light(seriesOf(mark));
	const [x, y] = centre(mark), [, , w, h] = f.box;
	if (f.box !== f.home) zoom(f, [x - w / 2, y - h / 2, w]);
	if (mark.matches(":focus-visible")) show(mark);
}

function toggle(name) {
	if (!off.delete(name)) off.add(name);
	light();
	switchAll();
	save();
}
function switchAll() {
	series.forEach((some, name) => some.forEach(one => one.classList.toggle("off", off.has(name))));
	legends.forEach((some, name) => some.forEach(one => {
		one.classList.toggle("out", off.has(name));
		set(one, { "aria-pressed": !off.has(name) });
	}));
	for (const f of figures.values()) if (!f.stop || !shown(f.stop)) stopAt(f, f.marks.find(shown));
}

// Zoom: always the shape of the axes, never outside; their labels go along.
function zoom(f, [x, y, w] = f.home) {
	const [left, top, wide, high] = f.home, whole = w > wide * 0.999;
	w = clamp(w, wide / DEEPEST, wide);
	const h = w * high / wide;
	f.box = whole ? f.home : [clamp(x, left, left + wide - w), clamp(y, top, top + high - h), w, h];
	set(f.view, { viewBox: f.box.join(" ") });
	f.view.style.setProperty("--z", w / wide);
	f.svg.classList.toggle("zoomed", !whole);
	for (const one of f.along) {
		const { x, y, k } = one.dataset, axis = x ? 0 : 1, at = x ?? y, far = (at - f.box[axis]) / w * wide, go = f.home[axis] + far - at;
		set(one, { transform: `translate(${x ? [go, 0] : [0, go]})` });
		one.classList.toggle("gone", far < -1 || far > f.home[axis + 2] + 1 || k > wide / w);
	}
	f.reset.disabled = whole;
}
function zoomBy(f, factor, x = f.box[0] + f.box[2] / 2, y = f.box[1] + f.box[3] / 2) {
	const [left, top, w] = f.box;
	zoom(f, [x - (x - left) * factor, y - (y - top) * factor, w * factor]);
	save();
}
function onDown(f, e) {
	const pan = e.pointerType !== "mouse" || e.shiftKey;
	hover(f, e);
	if (e.button || legendOf(e.target) || pan && f.box === f.home) return;
	f.drag = { from: place(f, e), pan };
}
function onMove(f, e) {
	const { drag, box } = f, [x, y] = place(f, e);
	if (!drag) return hover(f, e);
	const [x0, y0] = drag.from, width = Math.abs(x - x0), height = Math.abs(y - y0);
	if (!drag.size) {
		if (width + height < 5 * unit(f)) return;
		f.svg.setPointerCapture(e.pointerId);
		hush();
	}
	drag.size = { x: Math.min(x, x0), y: Math.min(y, y0), width, height };
	drag.pan ? zoom(f, [box[0] + x0 - x, box[1] + y0 - y, box[2]]) : set(f.band, drag.size);
}
function onUp(f, e) {
	const { drag, home } = f, size = drag?.size;
	drop(f);
	if (!size) return;
	const shape = home[2] / home[3], w = Math.max(size.width, size.height * shape);
	if (!drag.pan && e.type === "pointerup") zoom(f, [size.x + (size.width - w) / 2, size.y + (size.height - w / shape) / 2, w]);
	save();
}

// State: #place&d=open details&z=figure:left,top,width&o=series off. The unknown is ignored.
function save() {
	clearTimeout(later);
	later = setTimeout(write, 100);
}
function write() {
	if (closed) return;
	let text = "#" + location.hash.slice(1, 200).split("&")[0];
	const add = (name, items, by) => items.forEach((item, index) => {
		item = (index ? by : `&${name}=`) + item;
		if (text.length + item.length < LONGEST) text += item;
	});
	add("d", details.flatMap((one, index) => one.open ? index : []), ".");
	add("z", [...figures].filter(([, f]) => f.box !== f.home).map(([id, f]) => id + ":" + f.box.slice(0, 3).map(value => +value.toFixed(1))), ";");
	add("o", [...off].map(encodeURIComponent), ",");
	if (text !== (location.hash || "#")) history.replaceState(null, "", text);
}
function load(e) {
	const [where, ...parts] = location.hash.slice(1, 2 * LONGEST).split("&");
	if (!parts.length && e) return save(); // a link to a section: what is switched and zoomed stays
	const list = (name, by) => (parts.find(part => part.startsWith(name)) ?? "").slice(2).split(by);
	const names = list("o=", ","), zooms = list("z=", ";"), open = list("d=", ".");
	off.clear();
	for (const name of legends.keys()) if (names.includes(encodeURIComponent(name))) off.add(name);
	for (const [id, f] of figures) {
		const box = zooms.find(item => item.startsWith(id + ":"))?.slice(id.length + 1).split(",").map(Number);
		zoom(f, box?.length === 3 && box.every(isFinite) ? box : f.home);
	}
	if (parts.length) details.forEach((one, index) => { one.open = open.includes(`${index}`); });
	switchAll();
	if (parts.length) doc.getElementById(where)?.scrollIntoView();
}

// Sorted up, down, as it was: numbers, words, what is missing.
const words = new Intl.Collator("en", { numeric: true });
function valueOf({ dataset, textContent: text }) {
	const number = +(dataset.v ?? (text.trim().replaceAll(",", "") || NaN));
	return isFinite(number) ? [0, number, ""] : [/\w/.test(text) ? 1 : 2, 0, text];
}
function sort(table, head) {
	const was = head.ariaSort, rows = table.asWas ??= [...table.tBodies[0].rows], sign = was ? was === "ascending" ? -1 : 0 : 1;
	for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
	if (sign) set(head, { "aria-sort": sign > 0 ? "ascending" : "descending" });
	const valued = rows.map(row => [row, valueOf(row.cells[head.cellIndex])]);
	if (sign) valued.sort(([, a], [, b]) => (a[0] === 2) - (b[0] === 2) || sign * (a[0] - b[0] || a[1] - b[1] || words.compare(a[2], b[2])));
	table.tBodies[0].append(...valued.map(([row]) => row));
}

function button(inner, values, act) {
	const made = doc.createElement("button");
	set(made, { type: "button", ...values });
	made.append(...inner);
	on(made, "click", act);
	return made;
}
for (const one of all("figure")) {
	const svg = one.querySelector(".plot > svg"), view = svg.querySelector(".view") ?? svg;
	const home = view.getAttribute("viewBox").split(" ").map(Number), [title, about] = svg.children, name = title.textContent;
	const f = { svg, view, home, box: home, band: view.lastElementChild, along: all("[data-x],[data-y]", svg) };
	set(svg, { role: "group", tabindex: -1, "aria-label": name, "aria-describedby": about.id }); // parts take focus
	svg.removeAttribute("aria-labelledby");
	title.remove();
	f.marks = all("title", svg).map(({ parentNode: mark, textContent }) => {
		set(mark, { role: "img", "aria-label": textContent });
		mark.firstChild.remove(); // the browser's own tooltip would double ours
		return mark;
	});
	f.reset = button(["reset"], { "aria-label": "reset: " + name }, () => zoomBy(f, 99));
	one.querySelector(".tools").append(f.reset, button(["zoom in"], { "aria-label": "zoom in: " + name }, () => zoomBy(f, 0.6)));
	const heed = (name, act, where = svg) => on(where, name, e => act(f, e), { passive: false });
	heed("pointermove", onMove);
	heed("pointerdown", onDown);
	heed("pointerup", onUp);
	heed("pointercancel", onUp);
	heed("keydown", onKey, one);
	heed("focusin", onFocus);
	heed("wheel", (_, e) => e.ctrlKey && [e.preventDefault(), zoomBy(f, 1.002 ** e.deltaY, ...place(f, e))]);
	on(svg, "focusout", hush);
	on(svg, "pointerleave", e => e.pointerType === "mouse" && hush());
	on(one, "click", e => legends.has(legendOf(e.target)) && toggle(legendOf(e.target)));
	figures.set(one.id, f);
}
for (const one of all("[data-key]")) put(keys, one.dataset.key, one);
for (const one of all("[data-series]")) put(series, one.dataset.series, one);
for (const one of all("[data-legend]")) if (series.has(legendOf(one))) {
	put(legends, legendOf(one), one);
	set(one, { tabindex: 0, role: "button" });
	one.hidden = false;
}
for (const head of all("thead th")) {
	const table = head.closest("table");
	if (table.rows.length > 2) head.append(button(head.childNodes, { class: "sort" }, () => sort(table, head)));
}
for (const one of all("main [title]")) { // what a cell says to who looks closer
	const words = one.title;
	one.removeAttribute("title");
	set(one, { "aria-description": words });
	on(one, "pointerenter", () => say(words, one.getBoundingClientRect()));
	on(one, "pointerleave", hush);
}
on(doc, "pointerdown", e => e.target.closest("svg, [aria-description]") || hush());
on(doc, "keydown", e => e.key === "Escape" && hush());
function print(now) {
	if (now) closed ??= details.filter(one => !one.open);
	closed?.forEach(one => { one.open = now; });
	if (!now) closed = null;
}
on(window, "beforeprint", () => print(true));
on(window, "afterprint", () => print(false));
on(matchMedia("print"), "change", e => print(e.matches));
on(doc, "toggle", save, true);
on(window, "hashchange", load);
load();
}
