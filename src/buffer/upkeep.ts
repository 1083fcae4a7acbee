import type { Clock, Timer } from '../runtime/clock.ts'
import type { BufferAlarms } from './buffer-alarms.ts'
import type { BufferIndex } from './buffer-index.ts'
import { CLOCK_SET_FROM_MS, type ClockWatch } from './clock-watch.ts'
import type { Commits } from './commits.ts'
import type { FlashPace } from './flash-pace.ts'
import { declareGap, isSilentGap } from './gaps.ts'
import type { Serial } from './serial.ts'
import type { AsyncStore } from './store-thread.ts'

/** How often gaps and time limits are looked at, ms. */
const LOOK_EVERY_MS = 1_000
/** Of the quota: with less in use than this the buffer is not full any more. */
const ROOM_AGAIN = 0.8

export interface UpkeepDeps {
  readonly quotaBytes: number
  readonly clock: Clock
  readonly store: AsyncStore
  readonly index: BufferIndex
  readonly serial: Serial
  readonly commits: Commits
  readonly watch: ClockWatch
  readonly pace: FlashPace
  readonly alarms: BufferAlarms
  /** Whom the attached link wants told that a source has a batch; undefined without a link. */
  onReady(): ((source: string) => void) | undefined
}

/** What falls due in the buffer with time alone, though nothing comes and nothing is asked: records that expire, gaps that no record declares. */
export class Upkeep {
  readonly #deps: UpkeepDeps
  /** Nothing was cut at the last look, since the clock was not set. */
  #waitedForClock = false
  #lookTimer: Timer | undefined

  constructor(deps: UpkeepDeps) {
    this.#deps = deps
  }

  /** Looks now, and every so often. */
  start(): void {
    this.#look()
  }

  stop(): void {
    this.#lookTimer?.cancel()
  }

  #look(): void {
    const { clock, serial, commits, pace } = this.#deps
    this.#lookTimer = clock.after(LOOK_EVERY_MS, () => this.#look(), 'background')
    pace.look(commits.disk.writtenBytes)
    void serial.run(() => this.#lookNow()).catch(error => commits.failed(error, []))
    this.#lookAtClock()
  }

  /** What waited for the clock is cut, once it is set or has been waited for long enough. */
  #lookAtClock(): void {
    const { watch, index, commits } = this.#deps
    const { isAwaited } = watch
    if (this.#waitedForClock && !isAwaited) for (const source of index.sources.values()) commits.want(source)
    this.#waitedForClock = isAwaited
  }

  async #lookNow(): Promise<void> {
    const { clock, commits, index, store, alarms, quotaBytes, onReady } = this.#deps
    if (!commits.isSound) return
    const nowMs = clock.wallMs()
    const sources = [...index.sources.values()]
    if (sources.some(source => source.settings.ttlMs !== undefined && index.isBlind(source))) {
      await index.loadUncut(store)
    }
    const plan = commits.plan()
    for (const source of sources) {
      const { ttlMs } = source.settings
      if (ttlMs !== undefined) {
        plan.drop(
          source,
          source.uncut.filter(({ timeMs }) => timeMs < nowMs - ttlMs && isComparable(timeMs, nowMs)),
          'expired',
        )
      }
      if (onReady() && isSilentGap(source, nowMs)) declareGap(plan, source, nowMs)
    }
    // Of what was settled last no commit says any more that it lies beyond the window, where nothing comes.
    plan.forgetBeyondWindow()
    if (plan.steps.length > 0) await commits.execute(plan)
    // What the core has already goes as soon as its room is needed.
    const neededBytes = commits.disk.usedBytes - index.kept.bytes
    if (neededBytes < quotaBytes * ROOM_AGAIN) for (const source of sources) if (!source.waitsForRoom) alarms.roomAgain(source)
  }
}

/** How long a record has waited cannot be told where its time is an unset clock's and the clock has been set since. */
function isComparable(timeMs: number, nowMs: number): boolean {
  return timeMs >= CLOCK_SET_FROM_MS || nowMs < CLOCK_SET_FROM_MS
}
