/** Bounds of an ingress. Who looks for what goes wrong at one hands in a small one: a simulation meets it soon. */
export interface IngressLimits {
  /** Batches that wait at one gate. A gateway has five unsettled; the rest is room for those of sessions that are gone. */
  readonly waitingAtGate: number
  /** Batches of one gateway granted or held at once; its own bound is the same. */
  readonly messagesPerSession: number
  /** Bytes held of all gateways together; the share of each is the same, within the two that follow. */
  readonly bytesHeld: number
  readonly bytesPerSessionMin: number
  readonly bytesPerSessionMax: number
  /** Openings worked on at once, and waiting: a fleet that comes back in one moment is let in a few at a time. */
  readonly openingsAtOnce: number
  readonly openingsWaiting: number
  /** Openings that one connection may have under way. */
  readonly openingsPerConnection: number
  /** Questions to the log at once, in one opening. */
  readonly questionsAtOnce: number
  /** Replies that wait for a peer's credit. A peer that grants none gets none. */
  readonly repliesWaiting: number
}

export const INGRESS_LIMITS: IngressLimits = {
  waitingAtGate: 32,
  messagesPerSession: 1_000,
  bytesHeld: 256 * 2 ** 20,
  bytesPerSessionMin: 2 * 2 ** 20,
  bytesPerSessionMax: 32 * 2 ** 20,
  openingsAtOnce: 8,
  openingsWaiting: 1_000,
  openingsPerConnection: 4,
  questionsAtOnce: 32,
  repliesWaiting: 8,
}
