import { InvalidArgumentError, Option } from 'commander'
import { isDay } from '../runtime/calendar-day.ts'
import { NAME_PATTERN, NAME_RULE } from '../runtime/names.ts'
import { durationText } from '../runtime/units.ts'

/** A whole number from 0 on. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('Write a whole number.')
  return Number(text)
}

/** An option with a duration, ms, of which the help says what it is unless set, as somebody would write it. */
export function durationOption(flags: string, description: string, parse: (text: string) => number, unlessSet: number): Option {
  return new Option(flags, description).argParser(parse).default(unlessSet, durationText(unlessSet))
}

/** A port of TCP or UDP; 0 would be any. */
export function portArgument(text: string): number {
  const port = wholeNumber(text)
  if (port < 1 || port > 65_535) throw new InvalidArgumentError('Write a port from 1 to 65535.')
  return port
}

/** Where a job may be put. */
export function resetTarget(text: string): string {
  if (text === 'beginning' || text === 'end' || /^\d{1,15}$/.test(text)) return text
  throw new InvalidArgumentError('Write beginning, end, or the number of a record.')
}

/** A name of a gateway. */
export function nameArgument(text: string): string {
  if (!NAME_PATTERN.test(text)) throw new InvalidArgumentError(`It ${NAME_RULE}.`)
  return text
}

/** A moment: ISO 8601 with its zone, or a day, which is its first moment in UTC; ms since 1970. */
export function momentArgument(text: string): number {
  const [, day, time, zone] =
    /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/.exec(text) ?? []
  // Without a zone it would be that of whoever types it here, and days are those of UTC.
  if (time !== undefined && zone === undefined)
    throw new InvalidArgumentError(`Write it with its zone, such as ${text}Z or ${text}+01:00.`)
  const timeMs = day !== undefined && isDay(day) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(timeMs)) throw new InvalidArgumentError('Write a time such as 2026-01-31 or 2026-01-31T02:00:00Z.')
  return timeMs
}

/** A sequence, or a moment. */
export function boundArgument(text: string): { sequence: number } | { timeMs: number } {
  if (/^\d{1,15}$/.test(text)) return { sequence: Number(text) }
  if (/^\d{4}-/.test(text)) return { timeMs: momentArgument(text) }
  throw new InvalidArgumentError('Write a whole number, or a time such as 2026-01-31 or 2026-01-31T02:00:00Z.')
}
