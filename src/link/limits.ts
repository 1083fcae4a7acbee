/** Bounds of a link. Who looks for what goes wrong at one hands in a small one: a simulation meets it soon. */
export interface LinkLimits {
  /** Batches on their way over all sources. rhea's session breaks at 2,048 unsettled deliveries. */
  readonly batchesInFlight: number
  /** Always so much may be on its way: two large batches, so that one is on the wire while the other is stored. */
  readonly windowBytesMin: number
  /** There is no back-pressure below this, so that what is sent lies in memory until it is settled. */
  readonly windowBytesMax: number
  /** A source of which no more records wait than this is up to date: at ten thousand a second so many come in 100 ms. */
  readonly upToDateRecords: number
  /** Replies that may come before the next grant; a gateway has one question or two open at a time. */
  readonly repliesGranted: number
  /** Questions that may be open at once. */
  readonly questionsOpen: number
  /** After so many openings without an answer the connection itself is given up: its other end may be frozen. */
  readonly unansweredOpenings: number
  /** Fields in one opening, in bytes of JSON over all its sources; those of further sources are told with questions of their own. */
  readonly fieldsInOpeningBytes: number
}

export const LINK_LIMITS: LinkLimits = {
  batchesInFlight: 1_000,
  windowBytesMin: 256 * 1024,
  windowBytesMax: 32 * 2 ** 20,
  upToDateRecords: 1_000,
  repliesGranted: 8,
  questionsOpen: 8,
  unansweredOpenings: 2,
  fieldsInOpeningBytes: 256 * 1024,
}
