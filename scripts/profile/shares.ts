import type { HeadraceRun } from '../../test/bench/headrace-run.ts'
import { LIMIT, type Limit } from './limits.ts'

/** A figure beside what bounds it. */
export interface Share {
  readonly figure: string
  readonly unit: string
  readonly reached: number
  readonly limit: number
  /** What the limit is made of. */
  readonly why: string
  /** How near it comes: 1 is the limit itself. */
  readonly share: number
}

/** What was reached in one run beside what the machine did at best in the same one. */
export function sharesOf(
  limits: readonly Limit[],
  reached: {
    readonly through: HeadraceRun
    readonly drain: HeadraceRun
    readonly recordBytes: number
    readonly latencyMs: number
  },
): Share[] {
  const limit = (name: string) => limits.find(each => each.name === name)?.value ?? Number.NaN
  const { through, drain, recordBytes, latencyMs } = reached
  const mbPerSecond = ({ recordsPerSecond }: HeadraceRun) => (recordsPerSecond * recordBytes) / 1e6
  const [compress, decompress] = [limit(LIMIT.compress), limit(LIMIT.decompress)]
  const passed = (through.networkBytesPerRecord * 1e6 * limit(LIMIT.pass)) / 1e9
  const sent = through.networkBytesPerRecord / recordBytes
  const more = (figure: string, unit: string, value: number, bound: number, why: string): Share => ({
    ...{ figure, unit, reached: value, limit: bound, why, share: value / bound },
  })
  const less = (figure: string, unit: string, value: number, bound: number, why: string): Share => ({
    ...{ figure, unit, reached: value, limit: bound, why, share: bound / value },
  })
  return [
    more('edge store → Kafka', 'MB/s of records', mbPerSecond(through), compress, 'zstd, level 1, on one core'),
    more(
      'drain',
      'MB/s of records',
      mbPerSecond(drain),
      1 / (1 / compress + 1 / decompress),
      'each byte decompressed and compressed, on one core',
    ),
    less('core', 'CPU-s per million', through.coreCpuSecondsPerMillion, passed, 'each byte that came received and sent on'),
    less('over the network', 'bytes per byte', sent, limit(LIMIT.packed), 'a thousand records compressed at once'),
    less('to flash', 'bytes per byte', through.diskBytesPerRecord / recordBytes, sent, 'what is sent, written once'),
    less(
      'byte → Kafka at durability 0, p50',
      'ms',
      latencyMs,
      limit(LIMIT.sync) + 2 * limit(LIMIT.trip),
      'one fdatasync and two round trips',
    ),
  ]
}
