import { InvalidArgumentError } from 'commander'
import { NAME_PATTERN, NAME_RULE } from '../runtime/names.ts'

/** A whole number from 0 on. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('Write a whole number.')
  return Number(text)
}

/** Where a job may be put. */
export function resetTarget(text: string): string {
  if (text !== 'beginning' && text !== 'end') wholeNumber(text)
  return text
}

/** A name of a gateway. */
export function nameArgument(text: string): string {
  if (!NAME_PATTERN.test(text)) throw new InvalidArgumentError(`It ${NAME_RULE}.`)
  return text
}

/** A moment: ISO 8601, or a day, which is its first moment in UTC; ms since 1970. */
export function momentArgument(text: string): number {
  const timeMs = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(timeMs)) throw new InvalidArgumentError('Write a time such as 2026-01-31 or 2026-01-31T02:00:00Z.')
  return timeMs
}

/** A sequence, or a moment. */
export function boundArgument(text: string): { sequence: number } | { timeMs: number } {
  return /^\d{1,15}$/.test(text) ? { sequence: Number(text) } : { timeMs: momentArgument(text) }
}
