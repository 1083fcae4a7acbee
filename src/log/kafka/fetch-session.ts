import type { Place } from '../log.ts'
import { placeKey } from '../place-key.ts'
import type { FetchPart, FetchRequest, FetchResponse, SessionPlace } from './fetch-api.ts'

/** The epoch of a session goes up to here, and on with 1: KIP-227. */
const EPOCH_MAX = 2 ** 31 - 1

/**
 * What one leader knows of what is read from it (KIP-227, incremental fetch): the first request names all partitions, the next ones only what changed, and
 * so do the answers.
 *
 *   none ──full request──► begun ──incremental, epoch + 1──► begun
 *     ▲                      │ refused, or no answer: what the broker knows is not known
 *     └──────────────────────┘
 */
export class FetchSession {
  readonly #parts = new Map<string, FetchPart>()
  readonly #changed = new Set<string>()
  readonly #left = new Map<string, Place>()
  #place: SessionPlace = { id: 0, epoch: 0 }

  get size(): number {
    return this.#parts.size
  }

  get places(): Iterable<FetchPart> {
    return this.#parts.values()
  }

  /** Where a partition is read from; undefined where it is not read here. */
  fromOf(place: Place): number | undefined {
    return this.#parts.get(placeKey(place))?.from
  }

  /** Whether the last request asked for it as it is now. */
  isAsked(place: Place): boolean {
    const key = placeKey(place)
    return this.#parts.has(key) && !this.#changed.has(key)
  }

  /** It goes behind all others, as it does in a session at the broker: where there is none, a full request begins with what was not answered for longest. */
  read(part: FetchPart): void {
    const key = placeKey(part)
    this.#parts.delete(key)
    this.#parts.set(key, part)
    this.#changed.add(key)
    this.#left.delete(key)
  }

  leave(place: Place): void {
    const key = placeKey(place)
    if (!this.#parts.delete(key)) return
    this.#changed.delete(key)
    this.#left.set(key, place)
  }

  /** What the next request says of partitions; they count as said from then on. */
  next(): Required<Pick<FetchRequest, 'parts' | 'left' | 'session'>> {
    const isFull = this.#place.epoch === 0
    const changed = [...this.#changed].flatMap(key => this.#parts.get(key) ?? [])
    const said = isFull
      ? { parts: [...this.#parts.values()], left: [], session: this.#place }
      : { parts: changed, left: [...this.#left.values()], session: this.#place }
    this.#changed.clear()
    this.#left.clear()
    return said
  }

  /** The answer to it. False where the broker does not know the session any more: the next request is a full one. */
  answered({ error, sessionId }: FetchResponse): boolean {
    if (error !== 0) {
      this.forget()
      return false
    }
    const { epoch } = this.#place
    this.#place = { id: sessionId, epoch: sessionId === 0 ? 0 : epoch === EPOCH_MAX ? 1 : epoch + 1 }
    return true
  }

  /** There was no answer, or one that refuses it: the next request begins a new session, and ends this one where it still is. */
  forget(): void {
    this.#place = { id: this.#place.id, epoch: 0 }
  }
}
