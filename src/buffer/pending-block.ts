import type { Gap } from '../record/record.ts'

/** A closed block that waits for a commit. */
export interface PendingBlock {
  plain: Buffer
  /** Of `plain`, which is elsewhere while it is written. */
  readonly bytes: number
  /** Others have something in the memory of `plain`. */
  readonly isShared: boolean
  readonly count: number
  readonly baseTimeMs: number
  readonly lastTimeMs: number
  /** Some of its times may change when it is cut. */
  readonly hasUnsetTimes: boolean
  /** That of the last record in it that has one. */
  readonly bookmark: string | undefined
  /** What its records say is missing before them. */
  readonly gap: Gap | undefined
}
