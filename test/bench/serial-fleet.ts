import { Command } from 'commander'
import { readArguments, wholeNumber } from '../../scripts/arguments.ts'
import { runFleet } from '../source/serial-fleet.ts'

/** Many serial sources in one process: `npx node test/bench/serial-fleet.ts [sources] [lines per second] [seconds]`. */
const command = new Command('npx node test/bench/serial-fleet.ts')
  .description('Many serial sources in one process.')
  .argument('[sources]', 'pseudo terminals', wholeNumber(1), 64)
  .argument('[lines]', 'of each, a second', wholeNumber(1), 200)
  .argument('[seconds]', 'how long', wholeNumber(1), 10)
readArguments(command)
const [sources, linesPerSecond, seconds] = command.processedArgs as [number, number, number]
const figures = await runFleet({ sources, linesPerSecond, seconds })
const cpuPercent = (100 * figures.cpuSeconds) / figures.seconds
const perMillion = (figures.cpuSeconds / figures.lines) * 1e6
console.log(
  `${figures.sources} sources, ${figures.lines} lines in ${figures.seconds.toFixed(1)} s: ${figures.wrong.length} sources wrong, ` +
    `${cpuPercent.toFixed(0)} % of one core, ${perMillion.toFixed(1)} CPU-seconds per million lines (the devices' writing included)`,
)
process.exitCode = figures.wrong.length === 0 ? 0 : 1
