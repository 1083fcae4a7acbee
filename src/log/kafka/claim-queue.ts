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

/** Claims that are asked for and not worked on yet. Bounded by the openings that wait: each asks for its own sources. */
export class ClaimQueue {
  readonly #waiting = new Map<string, WaitingClaim & { readonly askers: Asker[] }>()

  get size(): number {
    return this.#waiting.size
  }

  /** Resolves when whoever takes it has answered. */
  ask(source: SourceId, topic: string): Promise<Claim> {
    const { promise, resolve, reject } = Promise.withResolvers<Claim>()
    const key = sourceKey(source)
    const waiting = this.#waiting.get(key) ?? { source, topic, askers: [] }
    waiting.askers.push({ resolve, reject })
    this.#waiting.set(key, waiting)
    return promise
  }

  /** The first of them, to be worked on together. */
  take(countMax: number): WaitingClaim[] {
    const group = [...this.#waiting.values()].slice(0, countMax)
    for (const { source } of group) this.#waiting.delete(sourceKey(source))
    return group
  }
}

export function answer({ askers }: WaitingClaim, claim: Claim): void {
  for (const { resolve } of askers) resolve(claim)
}

export function refuse(group: readonly WaitingClaim[], error: unknown): void {
  for (const { askers } of group) for (const { reject } of askers) reject(error)
}
