import type { Alarms } from '../../runtime/alarms.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { RunningWatch } from './running-watch.ts'

const CODE = 'analyser_failed'

const nameOf = ({ definition, subject }: RunningWatch) => `${definition.id} ${subject}`

/** Raises the alarm of a watch that threw; `advice` says how it is begun again. */
export function sayFailed(alarms: Alarms, watch: RunningWatch, advice: string): void {
  const { definition, subject, failure } = watch
  const message = `Analyser ${definition.name} failed for ${subject} and stands still: ${messageOf(failure)}`
  alarms.raise(CODE, { source: nameOf(watch), message, advice })
}

/** These are watches no more: whoever watches next, with the analysers that there are then, says what fails. */
export function forgetFailures(alarms: Alarms, watches: Iterable<RunningWatch>): void {
  for (const watch of watches) alarms.clear(CODE, nameOf(watch))
}
