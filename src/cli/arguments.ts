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
