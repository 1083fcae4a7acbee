import type { Clock, Timer } from '../runtime/clock.ts'
import { TokenBucket } from '../runtime/token-bucket.ts'
import type { QuotaLimits, QuotaOptions } from './quota-options.ts'

/** Messages granted at once under a quota: what they really weigh is known when they are there, and is paid for afterwards. */
const GRANTED_AT_ONCE_MAX = 256
/** What a batch may be, for telling a gateway how long it may hear nothing. */
const LARGE_BATCH = { bytes: 1_000_000, records: 10_000 }
/** A gateway is told that so long without credit means nothing, ms. */
const SILENCE = { minMs: 2_000, maxMs: 60_000 }
/** How fast the guess of records in a message follows those that have become smaller. */
const GUESS_DECAY = 0.9

export interface QuotaStatus {
  readonly bytesPerSecond: number | undefined
  readonly recordsPerSecond: number | undefined
  /** Whether it waits now because of its quota. */
  readonly throttled: boolean
  /** How long it has, in all, ms. */
  readonly throttledMs: number
}

/** What one gateway may send, over all its sessions: opening anew pays no debts. It is held back by credit; nothing is dropped. */
export class GatewayQuota {
  readonly limits: QuotaLimits
  readonly #clock: Clock
  readonly #bytes: TokenBucket | undefined
  readonly #records: TokenBucket | undefined
  #recordsPerMessage = 1
  #throttledMs = 0
  #throttledSinceMs: number | undefined

  constructor(limits: QuotaLimits, clock: Clock) {
    this.limits = limits
    this.#clock = clock
    const { bytes_per_second: bytes, records_per_second: records } = limits
    this.#bytes = bytes === undefined ? undefined : new TokenBucket({ perSecond: bytes, burst: bytes }, clock)
    this.#records = records === undefined ? undefined : new TokenBucket({ perSecond: records, burst: records }, clock)
  }

  /** Whether it limits what is sent at all. */
  get isRate(): boolean {
    return this.#bytes !== undefined || this.#records !== undefined
  }

  /** For so long a session may be without credit and yet be good, ms. */
  get silenceMs(): number {
    const { bytes_per_second: bytes = Number.POSITIVE_INFINITY, records_per_second: records = Number.POSITIVE_INFINITY } =
      this.limits
    const seconds = Math.max(LARGE_BATCH.bytes / bytes, LARGE_BATCH.records / records)
    return Math.min(SILENCE.maxMs, Math.max(SILENCE.minMs, Math.ceil(seconds * 2_000)))
  }

  /** Messages of about `weightBytes` that may come now. */
  messages(weightBytes: number): number {
    const allowed = Math.min(share(this.#bytes, weightBytes), share(this.#records, this.#recordsPerMessage), GRANTED_AT_ONCE_MAX)
    this.#note(allowed === 0)
    return allowed
  }

  /** How long until the next one may come, ms. */
  inMs(weightBytes: number): number {
    return Math.max(this.#bytes?.inMs(weightBytes) ?? 0, this.#records?.inMs(this.#recordsPerMessage) ?? 0)
  }

  took(bytes: number, records: number): void {
    this.#bytes?.spend(bytes)
    this.#records?.spend(records)
    this.#recordsPerMessage = Math.max(records, this.#recordsPerMessage * GUESS_DECAY + records * (1 - GUESS_DECAY))
  }

  status(): QuotaStatus {
    const since = this.#throttledSinceMs
    return {
      bytesPerSecond: this.limits.bytes_per_second,
      recordsPerSecond: this.limits.records_per_second,
      throttled: since !== undefined,
      throttledMs: this.#throttledMs + (since === undefined ? 0 : this.#clock.monotonicMs() - since),
    }
  }

  #note(throttled: boolean): void {
    const nowMs = this.#clock.monotonicMs()
    if (throttled) this.#throttledSinceMs ??= nowMs
    else if (this.#throttledSinceMs !== undefined) {
      this.#throttledMs += nowMs - this.#throttledSinceMs
      this.#throttledSinceMs = undefined
    }
  }
}

function share(bucket: TokenBucket | undefined, weight: number): number {
  if (!bucket) return Number.POSITIVE_INFINITY
  return bucket.inMs(weight) > 0 ? 0 : Math.max(1, Math.floor(bucket.level / weight))
}

/** The quotas of all gateways; one of each, for as long as this process runs. */
export class Quotas {
  readonly #options: QuotaOptions
  readonly #clock: Clock
  readonly #byGateway = new Map<string, GatewayQuota>()

  constructor(options: QuotaOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
  }

  /** Only for a gateway that was let in: one is kept for each name. */
  of(gateway: string): GatewayQuota {
    const known = this.#byGateway.get(gateway)
    if (known) return known
    const { default: common, gateways } = this.#options
    const quota = new GatewayQuota({ ...common, ...gateways[gateway] }, this.#clock)
    this.#byGateway.set(gateway, quota)
    return quota
  }
}

/** Calls a grant again when a quota has room for the next message; one timer at a time. */
export class QuotaWake {
  readonly #clock: Clock
  readonly #wake: () => void
  #timer: Timer | undefined

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock
    this.#wake = wake
  }

  in(delayMs: number): void {
    this.#timer ??= this.#clock.after(
      delayMs,
      () => {
        this.#timer = undefined
        this.#wake()
      },
      'background',
    )
  }

  cancel(): void {
    this.#timer?.cancel()
  }
}
