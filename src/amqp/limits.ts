/** What is offered to a peer and asked of it: a batch is meant to fit into one frame. */
export const MAX_FRAME_BYTES = 128 * 1024
/** A peer that is silent for two to three times this is taken for dead, ms. */
export const IDLE_TIMEOUT_MS = 4_000
/** From a TCP connection to the peer's `open`, ms: TLS, SASL and all. */
export const OPEN_LIMIT_MS = 5_000
/** Connections of a listener at once, unless told; more are closed as they come. */
export const CONNECTIONS_MAX = 4_000
/** Bytes that a peer may send before it is open. */
export const BYTES_BEFORE_OPEN_MAX = 64 * 1024
/** A message, in however many frames: a batch has a million bytes at the most, an opening of ten thousand sources a few. */
export const MESSAGE_BYTES_MAX = 4 * 2 ** 20
/** What one peer may have begun and not ended, over all its links. */
export const UNFINISHED_PER_PEER_MAX = 8 * 2 ** 20
/** What all peers of a listener together may have begun and not ended. */
export const UNFINISHED_MAX = 32 * 2 ** 20
/** What a peer may leave unread of what it is told. */
export const UNREAD_BYTES_MAX = 16 * 2 ** 20
/** Deliveries that a peer may settle with one disposition: a session has no more (rhea: 2,048). */
export const SETTLED_AT_ONCE_MAX = 2_048
/** AMQP 1.0 part 2, 2.7.1: no peer may ask for smaller frames. */
export const PEER_FRAME_BYTES_MIN = 512
/** A peer that wants to hear something more often than this costs more than it can be worth, ms. */
export const PEER_IDLE_TIMEOUT_MIN_MS = 100
/** Twice what a timer can wait for: who says more means that it may be silent for ever, ms. */
export const PEER_IDLE_TIMEOUT_MAX_MS = 2 * (2 ** 31 - 1)

/** Contents of PEM files for TLS. */
export interface TlsMaterial {
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly ca?: string | Buffer
}
