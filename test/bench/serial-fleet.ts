import { runFleet } from '../source/serial-fleet.ts'

/** Many serial sources in one process: `npx node test/bench/serial-fleet.ts [sources] [lines per second] [seconds]`. */
const [sources = 64, linesPerSecond = 200, seconds = 10] = process.argv.slice(2).map(Number)
const figures = await runFleet({ sources, linesPerSecond, seconds })
const cpuPercent = (100 * figures.cpuSeconds) / figures.seconds
const perMillion = (figures.cpuSeconds / figures.lines) * 1e6
console.log(
  `${figures.sources} sources, ${figures.lines} lines in ${figures.seconds.toFixed(1)} s: ${figures.wrong.length} sources wrong, ` +
    `${cpuPercent.toFixed(0)} % of one core, ${perMillion.toFixed(1)} CPU-seconds per million lines (the devices' writing included)`,
)
process.exitCode = figures.wrong.length === 0 ? 0 : 1
