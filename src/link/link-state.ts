import type { LaneState } from './lane.ts'

export type LinkState = 'idle' | 'dialling' | 'opening' | 'sending' | 'refused' | 'waiting' | 'stopped'

/** Where each state may lead. */
export const ARROWS: Record<LinkState, readonly LinkState[]> = {
  idle: ['dialling', 'waiting', 'stopped'],
  dialling: ['opening', 'waiting', 'stopped'],
  opening: ['sending', 'refused', 'waiting', 'stopped'],
  sending: ['opening'],
  refused: ['opening', 'waiting', 'stopped'],
  waiting: ['dialling', 'stopped'],
  stopped: [],
}

export interface LinkStatus {
  readonly state: LinkState
  /** Address of the other end, while there is one. */
  readonly peer: string | undefined
  readonly session: number | undefined
  /** What the core lets this gateway send; undefined where it has set no limit. */
  readonly quota: { readonly bytesPerSecond?: number | undefined; readonly recordsPerSecond?: number | undefined } | undefined
  /** ISO 8601, since when it is in this state. */
  readonly since: string
  readonly sources: readonly {
    readonly source: string
    readonly state: LaneState
    readonly reason: string | undefined
    readonly inFlight: number
  }[]
}

/** What is to be done after an attempt to open, or after the session that followed it. */
export type Next = 'again' | 'at once' | 'refused' | 'lost'
