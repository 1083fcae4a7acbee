/** What is offered to a peer and asked of it: a batch is meant to fit into one frame. */
export const MAX_FRAME_BYTES = 128 * 1024
/** A peer that is silent for two to three times this is taken for dead, ms. */
export const IDLE_TIMEOUT_MS = 4_000
/** From a TCP connection to the peer's `open`, ms: TLS, SASL and all. */
export const OPEN_LIMIT_MS = 5_000
/** Bytes that a peer may send before it is open. */
export const BYTES_BEFORE_OPEN_MAX = 64 * 1024

/** Contents of PEM files for TLS. */
export interface TlsMaterial {
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly ca?: string | Buffer
}
