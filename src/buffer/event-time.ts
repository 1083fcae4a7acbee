import { HEADER, type RecordHeader } from '../record/record.ts'

/*
  A record that was taken while the gateway's clock was not set carries, until it is cut,
    clock = "unset:" boot id ":" wall clock − time since boot, ms
  When it is cut, and that boot still runs and its clock has been set, the difference is added to its time:
    clock = "corrected:" ms that were added; "unset" where that cannot be
*/
const STAMP = /^unset:([^:]+):(-?\d+)$/

/** A broker refuses what lies further ahead of its own clock than this, unless its topic says otherwise (message.timestamp.after.max.ms). */
const AHEAD_MAX_MS = 3_600_000

/** The gateway's clock at a cut; `set` is missing while it is not set. */
export interface ClockAtCut {
  readonly bootId: string
  readonly set?: {
    readonly nowMs: number
    /** Wall clock minus time since boot. */
    readonly offsetMs: number
  }
}

export function clockStamp(bootId: string, offsetMs: number): RecordHeader {
  return { key: HEADER.clock, value: Buffer.from(`unset:${bootId}:${offsetMs}`) }
}

/** The latest time that may go to a broker. */
export function timeMax(clock: ClockAtCut): number {
  return clock.set ? clock.set.nowMs + AHEAD_MAX_MS : Number.POSITIVE_INFINITY
}

interface Timed {
  readonly timeMs: number
  readonly headers: readonly RecordHeader[]
}

/**
 * The time and headers with which a record is cut; undefined where they stay as they are, which is nearly always. No broker is given a time before
 * 1970, or one that lies more than an hour ahead: such a time becomes the nearest that can be, and the header says by how much it was moved.
 */
export function settleTime(timeMs: number, headers: readonly RecordHeader[], clock: ClockAtCut): Timed | undefined {
  const stamp = headers.length > 0 ? headers.find(isStamp) : undefined
  const isPossible = timeMs >= 0 && timeMs <= timeMax(clock)
  if (!stamp && isPossible) return undefined
  let settledMs = timeMs + (stamp ? correctionOf(stamp, clock) : 0)
  if (settledMs < 0) settledMs = 0
  if (settledMs > timeMax(clock)) settledMs = clock.set?.nowMs ?? settledMs
  const said = settledMs === timeMs ? 'unset' : `corrected:${settledMs - timeMs}`
  const others = headers.filter(header => header !== stamp)
  return { timeMs: settledMs, headers: [...others, { key: HEADER.clock, value: Buffer.from(said) }] }
}

/** What is to be added to the time of a record that was taken under an unset clock; 0 where nothing is known. */
function correctionOf({ value }: RecordHeader, { bootId, set }: ClockAtCut): number {
  const [, stampedBoot, offset] = STAMP.exec(value.toString('latin1')) ?? []
  return set && stampedBoot === bootId ? set.offsetMs - Number(offset) : 0
}

function isStamp({ key, value }: RecordHeader): boolean {
  return key === HEADER.clock && STAMP.test(value.toString('latin1'))
}
