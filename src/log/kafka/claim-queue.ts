import { type SourceId, sourceKey } from '../../runtime/names.ts'
import type { Claim } from '../log.ts'

interface Asker {
  readonly resolve: (claim: Claim) => void
  readonly reject: (error: unknown) => void
}

/** A source for which a claim is asked, by one or several at once. */
export interface WaitingClaim {
  readonly source: SourceId
  readonly topic: string
  readonly askers: readonly Asker[]
}

/** Claims that are asked for and not worked on yet, by topic. Bounded by the openings that wait: each asks for its own sources. */
export class ClaimQueue {
  readonly #byTopic = new Map<string, Map<string, WaitingClaim & { readonly askers: Asker[] }>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Resolves when whoever takes it has answered. */
  ask(source: SourceId, topic: string): Promise<Claim> {
    const { promise, resolve, reject } = Promise.withResolvers<Claim>()
    const key = sourceKey(source)
    const inTopic = this.#byTopic.get(topic) ?? new Map<string, WaitingClaim & { readonly askers: Asker[] }>()
    const known = inTopic.get(key)
    if (known) known.askers.push({ resolve, reject })
    else {
      inTopic.set(key, { source, topic, askers: [{ resolve, reject }] })
      this.#size += 1
    }
    this.#byTopic.set(topic, inTopic)
    return promise
  }

  /** The first of one topic, to be worked on together: a topic may have to be made, and other topics wait no longer for it than for one. */
  take(countMax: number): WaitingClaim[] {
    const [first] = this.#byTopic
    if (!first) return []
    const [topic, inTopic] = first
    const group = [...inTopic.values()].slice(0, countMax)
    for (const { source } of group) inTopic.delete(sourceKey(source))
    this.#size -= group.length
    // What is left of it goes behind the others.
    this.#byTopic.delete(topic)
    if (inTopic.size > 0) this.#byTopic.set(topic, inTopic)
    return group
  }
}

export function answer({ askers }: WaitingClaim, claim: Claim): void {
  for (const { resolve } of askers) resolve(claim)
}

export function refuse(group: readonly WaitingClaim[], error: unknown): void {
  for (const { askers } of group) for (const { reject } of askers) reject(error)
}
