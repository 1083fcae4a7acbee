import type { BufferLimits } from '../../src/buffer/limits.ts'
import type { IngressLimits } from '../../src/ingress/limits.ts'
import type { LinkLimits } from '../../src/link/limits.ts'
import { SeededRandom } from '../support/random.ts'

/** What happens in a simulation, one after the other. Everything else follows from it and from the seed. */
export type Event =
  /** A device says `count` records of about `bytes` bytes. */
  | { readonly what: 'records'; readonly source: string; readonly count: number; readonly bytes: number }
  | { readonly what: 'time passes'; readonly ms: number }
  | { readonly what: 'connections cut' }
  /** In the middle of the `after`-th message from now in that direction, settlements and answers counted too. */
  | { readonly what: 'connection cut at a message'; readonly way: 'up' | 'down'; readonly after: number }
  | { readonly what: 'gateway killed'; readonly downMs: number }
  /** In the `after`-th commit from now: before anything of it is on disk, between marks and database, or before anybody hears of it. */
  | {
      readonly what: 'power cut in a commit'
      readonly after: number
      readonly at: 'before' | 'between' | 'after'
      readonly downMs: number
    }
  | { readonly what: 'commits fail'; readonly after: number; readonly times: number; readonly at: 'before' | 'between' }
  | { readonly what: 'disk slow'; readonly ms: number }
  | { readonly what: 'core killed'; readonly core: string; readonly downMs: number }
  | { readonly what: 'core frozen'; readonly core: string }
  | { readonly what: 'cores woken' }
  | { readonly what: 'append goes wrong'; readonly after: number; readonly how: AppendFault }
  /** The next batch of the source is refused as often as it comes. */
  | { readonly what: 'a batch is refused for good'; readonly source: string }
  /** A bit of the `after`-th batch from now is turned over on its way. */
  | { readonly what: 'a batch is hurt on its way'; readonly after: number }
  /** Somebody sets the topic so that it keeps nothing, and the cores are started anew; somebody else sets it right. */
  | { readonly what: 'topic set wrong'; readonly forMs: number }
  | { readonly what: 'producers forgotten' }
  | { readonly what: 'connections of the log lost' }
  | { readonly what: 'log away'; readonly forMs: number }
  | { readonly what: 'log slow'; readonly ms: number }
  | { readonly what: 'tail of the log lost'; readonly source: string; readonly batches: number }
  /** While the gateway is down its database goes; marks and identity stay. */
  | { readonly what: 'database lost'; readonly downMs: number }
  | { readonly what: 'state copied' }
  /** The gateway is killed and started with the copy that was taken. */
  | { readonly what: 'copy restored'; readonly downMs: number }
  | { readonly what: 'intruder'; readonly source: string }
  | { readonly what: 'clock jumps'; readonly ms: number }
  | { readonly what: 'operator resumes' }

export type AppendFault = 'lost before' | 'lost after' | 'corrupt' | 'rejected'

export interface Schedule {
  readonly seed: number
  /** Quota of the buffer, bytes; a small one makes records give way. */
  readonly quotaBytes: number
  /** What the buffer keeps of what is settled, bytes. */
  readonly rewindBytes: number
  readonly durabilityMs: number
  /** Bounds of buffer, link and ingress that are smaller than they are outside: what happens at one happens soon. */
  readonly limits?: Partial<BufferLimits>
  readonly linkLimits?: Partial<LinkLimits>
  readonly ingressLimits?: Partial<IngressLimits>
  /** The first so many of {@link SOURCES}, two unless set: a bound that all share is met where there are more. */
  readonly sources?: number
  readonly events: readonly Event[]
}

export const SOURCES = ['source-1', 'source-2', 'source-3', 'source-4', 'source-5', 'source-6'] as const
/** Those of a schedule that does not say how many. */
const TWO_SOURCES = ['source-1', 'source-2'] as const
export const CORES = ['core-1', 'core-2'] as const

type Kind = Event['what']
type Drawn = (random: SeededRandom) => Event

const downMs = (random: SeededRandom) => random.between(1, random.pick([50, 3_000, 20_000]))

const DRAW: Record<Exclude<Kind, 'records' | 'time passes'>, Drawn> = {
  'connections cut': () => ({ what: 'connections cut' }),
  'connection cut at a message': random => ({
    what: 'connection cut at a message',
    way: random.pick(['up', 'down'] as const),
    after: random.between(1, 12),
  }),
  'gateway killed': random => ({ what: 'gateway killed', downMs: downMs(random) }),
  'power cut in a commit': random => ({
    what: 'power cut in a commit',
    after: random.between(1, 6),
    at: random.pick(['before', 'between', 'after'] as const),
    downMs: downMs(random),
  }),
  'commits fail': random => ({
    what: 'commits fail',
    after: random.between(1, 8),
    times: random.between(1, 4),
    at: random.pick(['before', 'between'] as const),
  }),
  'disk slow': random => ({ what: 'disk slow', ms: random.pick([0, 1, 30, 300]) }),
  'core killed': random => ({ what: 'core killed', core: random.pick(CORES), downMs: downMs(random) }),
  'core frozen': random => ({ what: 'core frozen', core: random.pick(CORES) }),
  'cores woken': () => ({ what: 'cores woken' }),
  'append goes wrong': random => ({
    what: 'append goes wrong',
    after: random.between(1, 6),
    how: random.pick(['lost before', 'lost after', 'lost after', 'corrupt', 'rejected'] as const),
  }),
  'a batch is refused for good': random => ({ what: 'a batch is refused for good', source: random.pick(TWO_SOURCES) }),
  'a batch is hurt on its way': random => ({ what: 'a batch is hurt on its way', after: random.between(1, 6) }),
  'topic set wrong': random => ({ what: 'topic set wrong', forMs: random.pick([2_000, 20_000, 60_000]) }),
  'producers forgotten': () => ({ what: 'producers forgotten' }),
  'connections of the log lost': () => ({ what: 'connections of the log lost' }),
  'log away': random => ({ what: 'log away', forMs: random.pick([100, 3_000, 30_000]) }),
  'log slow': random => ({ what: 'log slow', ms: random.pick([1, 100, 2_000, 7_000]) }),
  'tail of the log lost': random => ({
    what: 'tail of the log lost',
    source: random.pick(TWO_SOURCES),
    batches: random.between(1, 6),
  }),
  'database lost': random => ({ what: 'database lost', downMs: downMs(random) }),
  'state copied': () => ({ what: 'state copied' }),
  'copy restored': random => ({ what: 'copy restored', downMs: downMs(random) }),
  intruder: random => ({ what: 'intruder', source: random.pick(TWO_SOURCES) }),
  'clock jumps': random => ({ what: 'clock jumps', ms: random.pick([-3_600_000, 3_600_000, -315_360_000_000, 315_360_000_000]) }),
  'operator resumes': () => ({ what: 'operator resumes' }),
}

/** Faults after which a person has to decide; most schedules have none of them, so that no freeze is forgiven there. */
const PERSONAL = ['state copied', 'copy restored', 'intruder', 'operator resumes'] as const satisfies readonly Kind[]
const ORDINARY = (Object.keys(DRAW) as (keyof typeof DRAW)[]).filter(kind => !PERSONAL.some(personal => personal === kind))

/** A schedule of a seed. Each has only some kinds of faults, drawn first: rare combinations come up often that way. */
export function drawSchedule(seed: number): Schedule {
  const random = new SeededRandom(seed)
  const kinds = ORDINARY.filter(() => random.next() < 0.3)
  if (random.next() < 0.15) kinds.push(...PERSONAL)
  const faultsEvery = random.pick([0.1, 0.3, 0.6])
  const events: Event[] = []
  const isSmall = random.next() < 0.3
  const steps = random.between(5, 40)
  for (let step = 0; step < steps; step++) {
    if (kinds.length > 0 && random.next() < faultsEvery) events.push(DRAW[random.pick(kinds)](random))
    else if (random.next() < 0.6) events.push(drawRecords(random, isSmall))
    else events.push({ what: 'time passes', ms: random.between(1, random.pick([5, 50, 500, 8_000])) })
  }
  // Drawn one after the other, and what is new last: a seed stays the schedule that it was.
  const drawn = {
    seed,
    quotaBytes: isSmall ? 2 ** 20 : 8 * 2 ** 20,
    rewindBytes: random.pick([0, 4_096, 2 ** 20]),
    durabilityMs: random.pick([0, 0, 20, 1_000]),
    limits: drawLimits(random, SMALL_LIMITS),
    linkLimits: drawLimits(random, SMALL_LINK_LIMITS),
    ingressLimits: drawLimits(random, SMALL_INGRESS_LIMITS),
    ...spreadOver(random, random.pick([2, 2, 2, 3, 4, 6]), events),
  }
  return { ...drawn, limits: { ...drawn.limits, ...drawFileLimits(random, drawn.limits) } }
}

/** The same events, each that names a source at one of so many. */
function spreadOver(random: SeededRandom, sources: number, events: readonly Event[]): Pick<Schedule, 'sources' | 'events'> {
  if (sources === 2) return { sources, events }
  const all = SOURCES.slice(0, sources)
  return { sources, events: events.map(event => ('source' in event ? { ...event, source: random.pick(all) } : event)) }
}

/** Small ones of each, by themselves and together. */
type Small<Limits> = { readonly [Limit in keyof Limits]?: readonly number[] }

const SMALL_LIMITS: Small<BufferLimits> = {
  blockRecords: [1, 3, 20],
  pendingBytesPerSource: [2_000, 100_000],
  pendingBytes: [1, 10_000],
  commitBytes: [1, 2_000],
  uncutWindow: [2, 3, 8],
  scanRows: [1, 2, 7],
  readyBatches: [1, 2, 5],
  readyBytes: [1, 5_000],
  mergesPerCommit: [1, 2],
  mergeBytes: [1, 300, 4_000],
  deletesPerCommit: [1, 3],
  forgetEveryMs: [0, 50],
  keptBatches: [0, 2, 5],
  keptAtOnce: [1, 2],
}

const SMALL_LINK_LIMITS: Small<LinkLimits> = {
  batchesInFlight: [1, 2, 6],
  windowBytesMin: [1, 5_000],
  windowBytesMax: [1, 20_000],
  upToDateRecords: [0, 5],
  repliesGranted: [1, 2],
  questionsOpen: [1, 2],
  unansweredOpenings: [1, 5],
}

const SMALL_INGRESS_LIMITS: Small<IngressLimits> = {
  waitingAtGate: [1, 2, 4],
  messagesPerSession: [1, 2, 7],
  bytesHeld: [1, 10_000],
  bytesPerSessionMin: [1, 10_000],
  bytesPerSessionMax: [1, 50_000],
  openingsAtOnce: [1, 2],
  openingsWaiting: [1, 2],
  openingsPerConnection: [1, 2],
  questionsAtOnce: [1, 2],
  repliesWaiting: [1, 2],
}

function drawLimits<Limits>(random: SeededRandom, smallOnes: Small<Limits>): Partial<Limits> {
  const share = random.pick([0, 0.3, 0.7])
  const small = Object.entries(smallOnes as Record<string, readonly number[]>).filter(() => random.next() < share)
  return Object.fromEntries(small.map(([limit, values]) => [limit, random.pick(values)])) as Partial<Limits>
}

/**
 * In half of them there is a file of blocks, though the quota is far below the one from which on there is. What stays free of it has to hold several batches, in either
 * place: they are smaller then.
 */
function drawFileLimits(
  random: SeededRandom,
  { mergeBytes = Number.POSITIVE_INFINITY }: Partial<BufferLimits>,
): Partial<BufferLimits> {
  if (random.next() < 0.5) return {}
  const file = { fileQuotaBytes: 1, fileCommitBytes: random.pick([1, 10_000]), fileBlockBytes: random.pick([1, 300, 5_000]) }
  return { ...file, blockBytes: 20_000, mergeBytes: Math.min(mergeBytes, 16_000) }
}

function drawRecords(random: SeededRandom, isSmall: boolean): Event {
  const bytes = random.pick(isSmall ? [20, 4_000, 16_000, 16_000] : [20, 20, 200, 4_000])
  return {
    what: 'records',
    source: random.pick(TWO_SOURCES),
    count: random.between(1, bytes > 1_000 && !isSmall ? 30 : 60),
    bytes,
  }
}

export function scheduleText(schedule: Schedule): string {
  const { seed, quotaBytes, rewindBytes, durabilityMs, sources = 2, events } = schedule
  const bounds = { ...schedule.limits, ...schedule.linkLimits, ...schedule.ingressLimits }
  const head = `seed ${seed}: ${sources} sources, quota ${quotaBytes} B, rewind ${rewindBytes} B, durability ${durabilityMs} ms`
  return [`${head}, limits ${JSON.stringify(bounds)}`, ...events.map(event => `  ${eventText(event)}`)].join('\n')
}

function eventText({ what, ...rest }: Event): string {
  const details = Object.entries(rest).map(([key, value]) => `${key} ${value}`)
  return details.length > 0 ? `${what}: ${details.join(', ')}` : what
}
