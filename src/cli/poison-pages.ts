import type { PoisonRecord } from '../reader/ledger.ts'
import { HeadraceError } from '../runtime/errors.ts'

/** Bad records of one answer; whoever wants more asks for those behind the last. */
export const POISON_AT_ONCE = 1_000

type RecordName = Pick<PoisonRecord, 'source' | 'sequence'>

/** All bad records of a job; `ask` gives those behind the one that is named, as many as one answer has. */
export async function everyPoison(ask: (after: string | undefined) => Promise<readonly PoisonRecord[]>): Promise<PoisonRecord[]> {
  const found: PoisonRecord[] = []
  let last: PoisonRecord | undefined
  for (;;) {
    const part = await ask(last && nameOf(last))
    // A core of an earlier version, which knows no `after`, gives the first ones again.
    const [first, again] = [found[0], part[0]]
    if (first && again && nameOf(first) === nameOf(again)) return found
    found.push(...part)
    last = found.at(-1)
    if (part.length < POISON_AT_ONCE) return found
  }
}

/** `<gateway>/<source>@<sequence>`; undefined where none is named. Throws `config_invalid`. */
export function recordNamed(name: unknown): RecordName | undefined {
  if (name === undefined) return undefined
  const [, source, sequence] = /^([^@]+)@(\d{1,15})$/.exec(String(name)) ?? []
  if (source !== undefined && sequence !== undefined) return { source, sequence: Number(sequence) }
  throw new HeadraceError('config_invalid', `"${name}" names no record`, { advice: 'Write it as <gateway>/<source>@<sequence>.' })
}

function nameOf({ source, sequence }: RecordName): string {
  return `${source}@${sequence}`
}
