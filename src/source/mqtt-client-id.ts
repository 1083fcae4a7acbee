import { createHash } from 'node:crypto'
import type { SourceId } from '../runtime/names.ts'

/** More than a broker has to take (23, MQTT 3.1.1, 3.1.3.1), and what those in use do take. */
const CLIENT_ID_MAX = 65
const DIGEST_CHARACTERS = 16

/** By which a broker knows a source. No name has a `_`: two sources never have one id together. */
export function clientIdOf({ gateway, source }: SourceId): string {
  return bounded(`headrace-${gateway}_${source}`)
}

/** What it was until version 0.1: that of gateway a, source b-c was that of gateway a-b, source c. */
export function formerClientIdOf({ gateway, source }: SourceId): string {
  return bounded(`headrace-${gateway}-${source}`)
}

/** Two sources with one name would throw each other out: what is too long ends in a digest of the whole. */
function bounded(whole: string): string {
  if (whole.length <= CLIENT_ID_MAX) return whole
  const digest = createHash('sha256').update(whole).digest('hex').slice(0, DIGEST_CHARACTERS)
  return `${whole.slice(0, CLIENT_ID_MAX - DIGEST_CHARACTERS - 1)}-${digest}`
}

export interface ChosenClientId {
  readonly id: string
  /** The one to take where the broker keeps no session under {@link id}. */
  readonly otherwise: string | undefined
}

/**
 * Which id a source with a persistent session goes by: a session that the broker keeps under the former one holds messages, and is gone on with. `known`: under
 * which it went on last, as far as that was noted; `hasRecords`: it was read before.
 */
export function chooseClientId(source: SourceId, known: string | undefined, hasRecords: boolean): ChosenClientId {
  const [id, former] = [clientIdOf(source), formerClientIdOf(source)]
  if (known === id || known === former) return { id: known, otherwise: undefined }
  return hasRecords ? { id: former, otherwise: id } : { id, otherwise: undefined }
}
