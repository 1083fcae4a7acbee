import { type Command, CommanderError, InvalidArgumentError } from 'commander'
import { parseDurationMs } from '../src/runtime/units.ts'

/**
 * The options with which a script of the project was started. `--help` prints what there is and ends the process with 0; what is wrong is said in one
 * line, and ends it with 2. Positional arguments are in the command's `processedArgs` afterwards.
 */
export function readArguments<Options extends object>(command: Command): Options {
  command.exitOverride().configureOutput({
    outputError: (text, write) => write(`${text.trim().replaceAll(/\s*\n\s*/g, ' ')} (--help says what there is)\n`),
  })
  try {
    return command.parse().opts<Options>()
  } catch (error) {
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2)
    throw error
  }
}

/** For an option that takes a whole number within these bounds. */
export function wholeNumber(from: number, to = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return text => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (number >= from && number <= to) return number
    throw new InvalidArgumentError(`Write a whole number from ${from} ${to === Number.MAX_SAFE_INTEGER ? 'on' : `to ${to}`}.`)
  }
}

/** For an option that takes a duration of at least so many ms. */
export function duration(fromMs = 1): (text: string) => number {
  return text => {
    const ms = parseDurationMs(text)
    if (ms !== undefined && ms >= fromMs) return ms
    throw new InvalidArgumentError(`Write a duration${fromMs > 1 ? ` of ${fromMs / 1_000}s or more` : ''}, such as 90s or 10m.`)
  }
}
