"""mmbench tells the truth about a machine and about the kernels that run on it.

Imports go one way: a folder may use those above it, except that probes and reports never meet; `cli` may use them all. This map
is drawn from the first line of each module: `pytest tests/test_map.py --update-golden` draws it again.

The map:

configs/                  What things are, and what was chosen. Standard library only
    baselines.py          Keep runs under names, so that a later sweep can be held against `main` or `v1.2`
    cases.py              Ask one question of a kernel, and keep its answer: Case, Variant, Samples, Check and Measurement
    chips.py              Load what is published of chips: sizes, latencies and rates, with the source of every figure
    codec.py              Turn frozen records into plain JSON values and back, and say the place of whatever does not fit
    comparedoc.py         Describe a comparison of two sides, cell by cell
    curve.py              Keep what a probe saw: raw samples at points, and raw readings, from which every Fact can be inferred again
    dtypes.py             List the data types: how one element is stored, and which elements a matrix product takes, sums in and gives
    errors.py             Say what went wrong, what to do about it, and how the process ends
    facts.py              Keep everything that is known as a Fact: a value and how it came to be known
    files.py              Write files whole or not at all, read them with errors in words: what the stores of machines and of runs share
    gatedoc.py            Describe what a gate found, derived and ready to be read
    gatelog.py            Read a gate's run file: the plan, what was tuned and promised, the launches, every block, and how it ended
    gateplan.py           Describe a gate before it runs
    historydoc.py         Describe what became of kernels over stored runs of one machine
    kernel_names.py       Read and make the names of kernels
    machine.py            Describe one machine: what it is, what it claims and what was measured, as frozen records of Facts
    plan.py               Describe a sweep before it runs and when it ends
    profiles.py           Load sweep profiles
    published.py          Find the published figures for a machine that was identified
    runlog.py             Write what happens in a run as it happens, a line an event, and read it again, torn last line and all
    runs.py               Name a run: who measured what, when, on which machine, with which settings. The first line of every run file
    schema_files.py       Make the JSON Schemas that ship with the package, out of the records themselves
    sense.py              Find what no machine can have: numbers that are no numbers, amounts below zero, tables that are not square
    settings.py           Gather the settings from every layer, and remember which layer each value came from
    shape_sets.py         Load the shapes of real programs, each with its origin: `presets/shapes/*.toml`
    shapes.py             Read and write shapes of matrix products as people type them: `128x768x768`, `12*128x128x64:nt`, `1024`
    store.py              Keep machines in files, found again by name
    sweepdoc.py           Describe what a sweep found, derived and ready to be read
    sweeplog.py           Read a sweep's run file: the plan, who was opened, the rows, and how it ended
    tables.py             Read TOML tables strictly: every key known, every value of its kind, and each error with its file and place
    transformers.py       Derive the matrix products of a transformer from its model card
    units.py              Turn sizes, times and rates into words, and words into sizes and times

kernels/                  Make machine code, prove it, time it
    abi.py                Call every matrix product through one C signature, `void f(int64_t *arguments)`
    battery.py            Prove a kernel on small awkward shapes
    blocked.py            The three loops in blocks that fit the caches, packed so that the compiler can vectorise them
    blocks.py             Choose block sizes of a packed product from the caches as they were measured, never as they are claimed
    catalog.py            List every piece of code that can be emitted, by name and for any target: what `mmbench emit` prints
    causes.py             Guess why an element is wrong
    compiled.py           Compile kernels that are written in Python: numba's part, imported only when such a kernel is asked for
    crew.py               Keep threads that wait in machine code for their part of a product
    entrants.py           Choose who takes part in a sweep
    epilogue.py           Do the epilogue in a pass of its own over C, for libraries that cannot fuse it: what fusing is held against
    expressions.py        Understand `-k EXPR`
    fills.py              Fill operands with values that find errors
    guards.py             Stand guard over a kernel: memory that traps on a step too far, and a watch over what the process does besides
    host.py               Say what kernels may know of the machine that they run on
    naive.py              The three loops
    operands.py           Lay out the operands of one case in memory: filled, guarded, and described by an argument block
    oracle.py             Say what the product must be, exactly or in higher precision, and never by the code under test
    plan.py               Plan a sweep before anything is timed
    registry.py           Find the kernels
    roofline.py           Hold a rate against the machine's own roof
    session.py            Answer for one kernel in a process of its own
    sweep.py              Run a sweep's plan
    turns.py              Take samples of one kernel for a short turn, so that several kernels can take turns
    vectorized.py         The generated kernel
    verify.py             Prove that a kernel is right on the very operands that it will be timed with, at little cost

kernels/emit/             Make machine code at run time, for this chip or for another
    cpuid.py              Ask an x86 chip about itself by the CPUID and XGETBV instructions, through emitted code
    elements.py           Emit the step from a stored element to the number that is computed with, and back
    epilogue.py           Emit what follows the product: bias, activation, residual, and the rounding to the stored type
    instruction.py        Describe one machine instruction
    ir.py                 Write LLVM IR as text: the few phrases that all emitters share
    jit.py                Compile LLVM IR to machine code: run it here, or print the assembly of any target
    lines.py              Emit the loops that hand a cache line from one CPU to another and back
    loads.py              Emit arithmetic that loads a core by vector width, for the clock under load and for chains of known latency
    streams.py            Emit the memory loops: a pointer chase, and streams that read, write, copy and combine arrays
    target.py             Name the chip that code is emitted for: this one, or any other that LLVM knows
    touch.py              Emit a walk that touches every line of a buffer once, in no order that a prefetcher follows, as fast as…
    writer.py             Write longer functions in LLVM IR

kernels/emit/gemm/        Generate packed matrix products as LLVM IR: tile, packing, blocking and epilogue, each a file, each parametric
    macro.py              Emit the whole product
    pack.py               Emit the packing of a panel
    recipe.py             Choose the shape of a generated product
    rows.py               Emit the decoding of one row along k
    state.py              Describe the record that a generated product finds in slot STATE, and emit what all of its forms share
    thin.py               Emit products in which A has few rows or B few columns, as dot products along k
    tile.py               Emit the micro-kernel: a tile of C from packed panels of A and B, all of its sums in registers

kernels/emit/isa/         One file an instruction set: its instructions, how each is emitted, and what each means in NumPy
    arm_neon.py           Arm vectors of 128 bits
    arm_sme.py            Arm's Scalable Matrix Extension: outer products into the ZA array, in streaming mode
    arm_sve.py            Arm's scalable vectors (SVE): 128 to 2048 bits in steps of 128, the length read at run time
    meanings.py           Say in NumPy what instructions do
    permission.py         Ask the operating system whether it lets programs use a unit's registers, and ask it to
    power_vsx.py          Power vectors (VSX, 128 bits) and the Matrix-Multiply Assist of Power10: 4×4 accumulators of 512 bits
    registry.py           Find the units of an architecture: every module of this folder that has `UNITS`
    riscv_v.py            RISC-V vectors (V), at register grouping 1: the vector length is read at run time, in steps of 64 bits
    trial.py              Run a unit's instructions on this machine: once against their meaning, and as kernels for the stopwatch
    x86_amx.py            AMX: tiles of 16 rows of 64 bytes, and dot products of them
    x86_dots.py           x86 dot-product instructions: pairs of AVX2, VNNI in its AVX-512 and VEX forms, bfloat16
    x86_vectors.py        x86 vector units: SSE (128 bit), AVX, FMA and AVX2 (256), AVX-512 (512) and its half precision

kernels/gate/             Hold a build against another
    artifact.py           Turn what a gate is run against
    asking.py             Ask both sides of a gate which cells they serve, before anything is measured
    blocks.py             Turn the timings of a quartet
    change_points.py      Find where a series of runs changed
    controls.py           Hold the gate itself to account
    course.py             Keep what is known of a gate under way
    decide.py             Decide for every cell
    environments.py       Use another environment's packages as a side of the gate
    evidence.py           Turn a gate's run file into the cells that `decide` judges, and the rules that it was begun with
    foresight.py          Say from the screen's blocks what a gate can show in its time, and how many fresh blocks each doubtful cell…
    grid.py               Choose a gate's cells: each case that the old side serves, in each contest, and some of them again as controls
    host_watch.py         See over a whole visit what no thread's counter shows
    installs.py           Make an environment for `pip:SPEC` with the standard library's venv and pip, keep it while somebody uses it,…
    launch.py             One launch of a gate
    places.py             Put a library or an environment into a fresh place for one launch
    planning.py           Plan a gate before it starts
    pooled.py             See a small shift that all cells of a family share, too small to be seen in any one of them
    power.py              Know beforehand what a signed-rank test of n blocks can see
    relay.py              Hand the turn from one process to another on the same core, and time what each does in its turns
    remote.py             Say, in a worker of either side, which kernels its interpreter has and in which versions their packages are
    rules.py              Say what a gate must find, what it may cry wolf at, and how it is to decide
    run.py                Run a gate
    serve.py              Start a worker of this very mmbench in any interpreter, beside whatever else is installed there
    session.py            Answer for one side of a gate in a process of its own
    signed_rank.py        Test by exact randomisation whether paired differences lie above a margin
    starting.py           Start the processes of a gate's sides
    stored.py             Decide between two stored runs of one machine, which were minutes or months apart
    tuning.py             Choose how a cell is measured from what is measured on it now
    turn_length.py        Choose how long a turn lasts before the other side takes over, from timings recorded on this machine a moment…

kernels/measure/          Time machine code: clock, stopwatch, sampler, conditions, workers
    affinity.py           Pin the calling thread to one CPU, where the system can, and say why where it cannot
    cgroups.py            Find the control groups that bind this process, its own first and then each group above it
    chase.py              Lay chains of pointers through memory for latency measurements
    condition_facts.py    Make Facts of the raw readings of `conditions.read_state`: pure, so that stored readings can be read again
    conditions.py         Read the conditions that a measurement runs in
    contamination.py      Tell for each sample what disturbed it, from the system's own counters and never from the value measured
    lean.py               Keep what mmbench itself takes small
    memory.py             Get memory for measurements: aligned, touched, with huge pages or without them, and verified which
    placement.py          Put memory on a chosen NUMA node, and read back on which node it really lies
    sampler.py            Take samples of a kernel until they are enough: calibrate, measure, mark what was disturbed, stop in time
    stats.py              Find the centre of noisy samples and an honest interval around it
    stopwatch.py          Time a C function pointer from inside machine code, with the core clock measured around it
    streaming.py          Lay the arrays of streams over a buffer, and give the stopwatch and the team kernels that walk them
    system_files.py       Read the small files in which a system describes itself, and take apart what they say
    team.py               Run kernels on several pinned threads over one common window of time, and count the work done inside that…
    timer.py              Read time from inside emitted code: which counter, how its reads are fenced, its rate, its step and its cost
    trap.py               Run something that may crash in a child process, and say how it ended
    virtualisation.py     Tell hypervisors and containers by the signs that they leave
    worker.py             Run measurements in a process of their own, so that a trap, a hang or a kill costs that measurement only

kernels/vendor/           One file a vendor library: where it lies, what it serves, and how it is called
    accelerate.py         Call Apple's Accelerate: CBLAS, with the matrix units that no other library may use on these chips
    aocl.py               Call AMD's AOCL-BLAS: BLIS with AMD's kernels, and its low-precision products (LPGEMM) for bf16 and bytes
    aocl_lpgemm.py        Describe the calls of AOCL's LPGEMM
    armpl.py              Call Arm Performance Libraries: CBLAS, and bf16 with single-precision results where the release has it
    blis.py               Call BLIS
    bnns.py               Call Apple's BNNS, the part of Accelerate that multiplies f16, bf16 and f32
    cblas.py              Call any library that speaks CBLAS
    cblas_batch.py        Call a library's own batch of matrix products
    discovery.py          Find where libraries lie
    environment.py        Find the environment variables that change what a library does
    files.py              Open a shared library with errors in words, and say which files it takes and how large they are on disk
    framework.py          Meet a framework that only Python can call
    jax_xla.py            JAX: `lax.dot_general` compiled by XLA for the processor, or for the GPU or TPU that it finds
    library.py            Meet a vendor's library: find its files, load one, learn what it is, and make its calls ready
    libxsmm.py            Call libxsmm
    mkl.py                Call Intel oneMKL: sgemm and dgemm, their strided batches, and the products of narrow types that it has
    modular_max.py        Modular MAX: a graph with one `ops.matmul`, compiled for the processor and called from Python
    nvpl.py               Call NVIDIA's BLAS for Arm servers
    onednn.py             Call oneDNN's matmul primitive
    onednn_api.py         Speak oneDNN's C interface: descriptors, attributes, primitives and memory, each freed with its owner
    onednn_gemm.py        Call oneDNN's gemm functions, which need no primitive
    openblas.py           OpenBLAS: NumPy's and SciPy's own copies, the wheels scipy-openblas32 and 64, and the system's
    pytorch.py            Call PyTorch
    stated.py             Read a library's own version out of its file
    thunk.py              Emit the code that turns an argument block into a library's own call

probes/                   A small kernel plus an inference, one file a probe
    bandwidth.py          Bandwidth of each cache level and of memory
    claims.py             Collect what every source says of caches and TLBs, side by side: sysfs, CPUID, sysctl, getconf, /proc/cpuinfo
    clock.py              The core's true frequency, idle of vectors and under each vector width, and the timer that everything is…
    conditions.py         In what conditions this machine measures
    context.py            Tell a probe what it may use: effort, time, CPUs, memory, and what is known of the machine so far
    core_to_core.py       Core to core
    geometry.py           The shape of each cache level: line size, ways where strides can show them, and whether another CPU shares it
    identity.py           What the chip and the system say they are: brand, family, microarchitecture, features, hypervisor, kernel
    judge.py              Judge measured figures
    latency.py            Load-to-use latency against working set: the curve from which the cache levels are found
    levels.py             Turn a latency curve into cache levels: named, sized, held against the claims. Pure
    loaded_latency.py     Latency of memory under load: what a load takes while other CPUs draw bandwidth at the same time
    matrix.py             Find out which vector, dot and matrix units can really be used
    microarchitectures.py Name a microarchitecture by the numbers that a chip gives itself, whatever flags a hypervisor hides
    numa.py               NUMA: latency and read bandwidth from the CPUs of each node to the memory of each node
    peaks.py              What all CPUs reach together
    readings.py           Collect what the identity and topology probes share
    registry.py           Find the probes
    roofs.py              Derive the rooflines' ceilings from what was measured
    runner.py             Plan and run probes, one worker process for all of them, and fold what they saw into a Machine
    simd.py               Time every vector instruction that the chip claims
    tlb.py                Address translation: how many pages each TLB level reaches, and what a miss costs
    topology.py           How the CPUs are laid out

probes/inference/         Pure inference: from samples to levels, sizes and intervals
    curves.py             Put latency measurements in order: ascending sizes, medians over allocations, and how sure each of them is
    geometry.py           Read line size, ways and sharing of a cache level from chases at chosen strides and from two chases at once
    grouping.py           Decide which plateaus are levels of their own, and which are one level whose latency steps or fades
    isotonic.py           Draw the rising curve that noisy points most likely lie on, and find where they do not rise
    levels.py             Read the levels of the memory hierarchy from latency against working-set size
    plateaus.py           Find the plateaus of a latency curve: the sizes over which latency hardly changes
    refine.py             Say which working-set sizes to measure next, so that each edge of a latency curve is cut as finely as wanted
    segments.py           Cut a noisy curve into flat pieces and ramps, with as few pieces as the noise allows
    shelves.py            Find out whether one edge or two lie in a climb: a level may be too small to show a plateau of its own
    tlb.py                Read the levels of address translation from paired chases
    transitions.py        Read the capacity of a cache from the way latency climbs from its plateau to the next one

reports/                  Rows, figures and pages out of files
    cells.py              Turn facts into cells, and core kinds into labels
    compare_notes.py      Say what a reader of a comparison must know
    compare_rule.py       Judge a comparison by a rule of the user's
    compare_screen.py     The terminal screen of a comparison
    compare_words.py      Say in words what a comparison found: what the screen and the page say alike
    comparison.py         Compare two sides cell by cell
    compute.py            Show what the cores can compute: operations a cycle by width and data type, the units that work, the ceilings
    cores.py              Show how long a cache line takes from one CPU to another
    csvtext.py            Write tables as CSV that no spreadsheet runs
    exchange.py           Write a sweep for the tools of others
    facts.py              List every Fact of a machine under a dotted path
    flat.py               Lay rows of sweeps and cells of gates out flat
    gate_annotations.py   Write a gate as annotations of a GitHub workflow
    gate_compare.py       The terminal screen of a gate seen as a comparison
    gate_exports.py       Write a gate in any of the forms that other programs read: one door to all of them
    gate_flat.py          Lay the cells of a gate out flat: one dict a cell, with the unit in each name, for tables of other programs
    gate_junit.py         Write a gate as a JUnit file: a test case for each cell, its estimate as properties
    gate_markdown.py      Write a gate as GitHub-flavoured Markdown for a step's summary or a comment
    gate_metrics.py       Write a gate as OpenMetrics text
    gate_rows.py          Derive what a gate found from its run file: verdicts, estimates with intervals, controls, noise over time
    gate_screen.py        The terminal screen of a gate
    gate_stored.py        Hold a new sweep against a stored one of the same machine
    gate_summary.py       Say in words what a gate found, for every export alike
    gate_times.py         Write the raw times of a gate for the tools of others
    gate_trackers.py      Write a gate for services that keep a history
    gate_words.py         Say in words what a gate found: what the screen, the page, lists and comparisons all say alike
    header.py             Say in the first lines what machine this is and under which conditions it was measured
    history.py            Turn stored runs of one machine into series, one for each kernel and cell, and find the runs at which times…
    history_screen.py     The terminal screen of a history
    junit.py              Write a sweep as a JUnit file, which every CI system shows: one test case for each kernel in each cell
    look.py               Say how a screen is to look (width, colour, characters, depth), and turn styled lines into one string
    markdown.py           Write a sweep as GitHub-flavoured Markdown tables
    memory.py             Show what memory gives beyond the pyramid: geometry, translation, streams, latency under load, the nodes
    notices.py            Close a screen: what a reader must know, what could not be measured and why, what to do next
    numbers.py            Write a number with its interval in one notation everywhere: `4.98 ±0.02`
    parquet.py            Write rows as a Parquet file, for data frames
    pyramid.py            Draw the memory hierarchy as boxes that widen downwards, with what was measured of each level beside it
    samples.py            List every raw sample of a machine, one row a sample: for tables, data frames, and anyone who trusts no median
    screen.py             The terminal screen of a machine: one string out of one record, the same wherever and whenever it is drawn
    sparkline.py          Draw the latency curve in a few characters: time a load, log scale, over the working set, log scale
    sweep_notes.py        Sum up who was not asked and what is absent, one line a class of reasons
    sweep_plan.py         Say what a sweep would do
    sweep_rows.py         Derive a sweep's figures from its raw samples
    sweep_screen.py       The terminal screen of a sweep: who is best at what, who is wrong or absent, and how many cells each serves
    sweep_tables.py       Draw a sweep's tables
    sweep_words.py        Say in words what a sweep found: what the screen, the Markdown tables and the JUnit file all say alike
    tables.py             Lay out plain text tables that never cut a cell
    text.py               Make any string safe and measurable before it reaches a terminal: clean, shorten, measure, pad, wrap
    verdicts.py           Put verdicts into words

reports/figures/          Every figure, drawn once: for the page as inline SVG, for people as PNG, SVG and PDF
    bandwidth.py          Draw how fast each level streams: a mark for one thread and one for all, a colour for each kind of stream
    cores.py              Draw how long a cache line takes from one CPU to another: a square of numbers in the order of the topology
    forest.py             Draw ratios with their intervals, sorted, on a logarithmic axis with a line at 1, and geometric means as…
    fragments.py          Lay out who serves what
    gate_changes.py       Draw what a gate found
    gate_launches.py      Draw a gate launch by launch
    heatmap.py            Draw a heatmap: rows by columns, a number in each cell, grey with a dash where there is nothing
    keys.py               Draw the key of a figure above or below its axes, in rows that never overlap, and choose the ticks of axes…
    latency.py            Draw load-to-use latency against working set
    loaded.py             Draw memory latency against the bandwidth that is drawn at the same time
    panes.py              Part a drawing as a spreadsheet freezes panes
    roofline.py           Draw a roofline
    sizes.py              Draw rate against size
    svg.py                Turn a drawing into files (SVG, PNG, PDF), and into SVG to stand inside a page under a strict policy
    theme.py              Say how figures look, once: sizes, colours, type; and hold a drawing together with what its marks mean
    thinning.py           Choose which of many points a figure draws
    tlb.py                Draw what address translation adds to a load, against the number of pages that are touched

reports/page/             One page out of stored files
    blocks.py             Name what a report is made of
    chiptable.py          Lay several chips out row by row
    document.py           Describe a report for programs: what `--format json` writes and `--format csv` lays out flat
    evidence.py           Gather what a report stands on
    gate_tables.py        Tables of a gate for the page: the data behind each figure, families, differences of the sides, commands
    heat.py               Make the heatmaps of a report
    html.py               Write a report as one HTML file that needs nothing else
    markdown.py           Write a report as GitHub-flavoured Markdown
    origins.py            Sort cells into rows of a heatmap
    registry.py           Find the sections of a report: every file in `sections` that registers one, and those of other packages
    rows.py               Read a sweep's rows as figures need them
    standings.py          Count how every kernel stands on a machine
    values.py             Turn facts, verdicts and rates of a machine into cells of tables and cards

reports/page/sections/    The sections of a page, one file a section
    chips.py              The chips
    comparison.py         Hold libraries against each other, and machines against the first
    cores.py              Cores and units
    fragmentation.py      Say which kernel or library serves which cells right, how near to the best, and where it is absent or wrong
    gate.py               Show what each gate found
    memory.py             The memory hierarchy
    method.py             How it was measured, under which conditions, with which words, what was skipped, and the raw data
    performance.py        Show rate against size for every kernel, and heatmaps of the best kernel against the roof and of one kernel…
    rooflines.py          Show what each machine can do by data type and threads, and how near every kernel comes to it in every shape
    verdict.py            The verdict: at most four sentences with their figures, and what to run next where something is missing

cli/                      One file a subcommand; nothing but words in and out
    checks.py             Examine what a measurement here would stand on
    compare.py            `mmbench compare`
    compare_gate.py       Compare within a gate: its new side against its old one, by its own evidence
    compare_sides.py      Find out what the two words of `mmbench compare A B` mean: runs, machines, or kernels of one sweep
    completion.py         Print the completion script that click makes for a shell
    config.py             Show the settings in force
    console.py            Write to a person
    crash.py              Keep the traceback of a bug of ours where a person can find it and send it
    doctor.py             Say whether a measurement made here and now could be trusted, and what to change before making it
    emit.py               Print the code that is measured: LLVM IR or assembly, for this chip or any other
    explain.py            Explain one topic
    export.py             Write a stored machine, sweep or gate for other programs
    exports.py            Write a run's exports: files that are tried before anything is measured, and written whatever the end is
    figure_files.py       Write figures as files, and nothing outside the folder or file that was named
    gate.py               `mmbench sweep --against ARTIFACT`: run the old side again, interleaved with the new one, and judge every cell
    gate_exit.py          Turn what a gate found, and what `--fail-on` names, into an exit code and the sentence that goes with it
    gate_exports.py       Write a gate's exports: one file a form, and what GitHub shows, all of it also when the gate fails
    gate_progress.py      Show how far a gate is
    history.py            `mmbench history`
    interrupts.py         Hear one Ctrl-C: from the first on, what was measured is put away in peace, however often it is pressed again
    listing.py            List what there is
    machine_file.py       Measure a machine and keep what was found
    main.py               Start mmbench
    outputs.py            Keep an output from destroying what it is made of, or anything else that took hours to measure
    plot.py               `mmbench plot`: one figure of a report as a file
    probe.py              `mmbench probe`: measure this machine, show it, keep it
    progress.py           Show how far a probe run is: one transient line on a terminal, one line a finished probe elsewhere
    report.py             `mmbench report`: turn result files into one page, or into tables and figures
    resume.py             Go on with a sweep or a gate that was cut off
    revision.py           Find out which commit is checked out where a run is started, so that a history can name it
    show.py               Show what is stored: a machine's screen, a sweep's tables, a gate's verdicts, or what happened in a run
    state.py              Carry from the main command to its subcommands what was given on the command line, and the settings that…
    stored_gate.py        Hold a sweep that has just been run against a stored one
    sweep.py              `mmbench sweep`: run every kernel over a grid of shapes and data types, proven right before it is timed
    sweep_course.py       One sweep from its first row to its exit code
    sweep_progress.py     Show how far a sweep is: one transient line on a terminal, one line a finished cell elsewhere
    sweep_request.py      Turn the words of `mmbench sweep` into a plan
    trial.py              Try in a process of its own what a measurement needs
    welcome.py            Say what to do next when `mmbench` is called without a word
    words.py              Answer a mistyped word with its neighbours
"""

__version__ = "0.1.0"
