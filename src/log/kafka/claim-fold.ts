import { z } from 'zod'
import { type Fields, toldFields } from '../../record/fields.ts'
import { type SourceId, sourceKey } from '../../runtime/names.ts'
import type { Claim } from '../log.ts'

const int64Text = z
  .string()
  .regex(/^-?\d{1,16}$/)
  .transform(Number)

/** One entry of `headrace.claims`; 64-bit numbers as text. */
const entrySchema = z.object({
  gateway: z.string(),
  source: z.string(),
  topic: z.string(),
  topicId: z.string(),
  partition: z.int().min(0),
  producerId: int64Text,
  epoch: z.int().min(0),
  epochStart: int64Text,
  replaces: int64Text,
})
export type ClaimEntry = z.output<typeof entrySchema>

/** Beside the claims: what is said of a source that has one. Cores of before it was written take it for something that cannot be read, and go on. */
const noteSchema = z.union([
  z.object({ gateway: z.string(), source: z.string(), fields: toldFields }),
  /** `of`: the claim that is retired; one that was renewed in the same moment stands. */
  z.object({ gateway: z.string(), source: z.string(), retired: int64Text, of: int64Text }),
])

export function encodeFields({ gateway, source }: SourceId, fields: Fields): Buffer {
  return Buffer.from(JSON.stringify({ gateway, source, fields }))
}

export function encodeRetired({ source: { gateway, source }, at }: Claim, retiredMs: number): Buffer {
  return Buffer.from(JSON.stringify({ gateway, source, retired: String(retiredMs), of: String(at) }))
}

/** No claim is replaced: the source has none. */
export const FIRST_CLAIM = -1

export function encodeClaim(entry: ClaimEntry): Buffer {
  const { producerId, epochStart, replaces, ...rest } = entry
  return Buffer.from(
    JSON.stringify({ ...rest, producerId: String(producerId), epochStart: String(epochStart), replaces: String(replaces) }),
  )
}

/**
 * What the log of claims comes to. An entry counts only if it replaces the source's standing claim, or none where there is none, and if its
 * partition is nobody else's. Everybody who reads the same entries in the same order gets the same answer, so that nobody needs a lock.
 */
export class ClaimFold {
  readonly #bySource = new Map<string, Claim>()
  readonly #byPlace = new Map<string, string>()

  /** Takes the entry at offset `at`; true where it counts. What cannot be read counts for nobody. */
  take(at: number, value: Buffer | null): boolean {
    const json = value && parseJson(value)
    if (!json) return false
    const entry = entrySchema.safeParse(json).data
    return entry ? this.#claim(at, entry) : this.#note(json)
  }

  #claim(at: number, entry: ClaimEntry): boolean {
    const source = sourceKey(entry)
    const place = `${entry.topic}\0${entry.partition}`
    const standing = this.#bySource.get(source)
    if ((standing?.at ?? FIRST_CLAIM) !== entry.replaces) return false
    const holder = this.#byPlace.get(place)
    if (holder !== undefined && holder !== source) return false
    if (standing && (standing.topic !== entry.topic || standing.partition !== entry.partition))
      this.#byPlace.delete(`${standing.topic}\0${standing.partition}`)
    const { gateway, source: name, replaces: _replaces, ...rest } = entry
    const fields = standing?.fields && { fields: standing.fields }
    this.#bySource.set(source, { source: { gateway, source: name }, ...rest, at, ...fields })
    this.#byPlace.set(place, source)
    return true
  }

  #note(json: unknown): boolean {
    const note = noteSchema.safeParse(json).data
    const key = note && sourceKey(note)
    const standing = key === undefined ? undefined : this.#bySource.get(key)
    if (!note || key === undefined || !standing) return false
    if ('fields' in note) this.#bySource.set(key, { ...standing, fields: note.fields })
    else if (note.of !== standing.at || standing.retiredMs !== undefined) return false
    else this.#bySource.set(key, { ...standing, retiredMs: note.retired })
    return true
  }

  of(source: SourceId): Claim | undefined {
    return this.#bySource.get(sourceKey(source))
  }

  all(): Claim[] {
    return [...this.#bySource.values()]
  }

  isTaken(topic: string, partition: number): boolean {
    return this.#byPlace.has(`${topic}\0${partition}`)
  }
}

function parseJson(value: Buffer): unknown {
  try {
    return JSON.parse(value.toString('utf8'))
  } catch {
    return undefined
  }
}
