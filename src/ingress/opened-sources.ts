import { OPEN_ERROR, type OpenedSource, type OpenRequest, type OpenSource } from '../amqp/messages.ts'
import { factsOf } from '../log/facts-of.ts'
import type { BatchFacts, Claim, Log, PartitionEnd } from '../log/log.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { DEAD_LETTER_TOPIC } from './dead-letters.ts'
import type { Gates } from './gates.ts'
import type { GatewaySession } from './gateway-session.ts'
import { isDeadLetterPlaceholder } from './what-lies.ts'

interface Claimed {
  readonly source: string
  readonly claim: Claim
}

type Refused = Extract<OpenedSource, { error: unknown }>

/** The log cannot be reached for this source now. */
interface Away {
  readonly source: string
  readonly cause: HeadraceError
}

/** What the log says of a claimed source. */
type Found =
  | {
      /** Undefined where its partition has no leader that answers. */
      readonly end: PartitionEnd | undefined
      /** Undefined where there is none. */
      readonly last: LastBatch | undefined
      readonly batchBytesMax: number | undefined
    }
  | { readonly away: HeadraceError }

interface LastBatch extends BatchFacts {
  /** The gateway cannot know a placeholder that the core wrote in the place of a batch of its own. */
  readonly isOurs: boolean
}

/**
 * What the log says of each source of an opening. Sources are entered in the session with their gate. Rejects with `log_unavailable` where the log
 * cannot be reached for any of them; what is wrong with one source is said of that source.
 */
export async function openSources(
  log: Log,
  { gates, atOnce }: { gates: Gates; atOnce: number },
  session: GatewaySession,
  request: OpenRequest,
): Promise<OpenedSource[]> {
  const claims = await claimAll(log, session, request)
  // Its gateway has opened anew meanwhile: nobody waits for the answer.
  if (!session.open) return []
  const claimed = claims.filter(claim => 'claim' in claim)
  const findOf = await findAll(
    log,
    atOnce,
    claimed.map(({ claim }) => claim),
  )
  const opened = claimed.map(entry => openOne(gates, session, entry, findOf(entry.claim)))
  const answers = [...claims.flatMap(claim => ('claim' in claim ? [] : [claim])), ...opened]
  const away = answers.filter(answer => 'cause' in answer)
  // Of nothing that was asked anything could be told: another core may reach the log, or this one later.
  if (away[0] && away.length === answers.length) throw away[0].cause
  for (const answer of answers)
    if ('error' in answer && answer.error.code === OPEN_ERROR.topicRefused)
      session.sourceRefused(answer.source, answer.error.message)
  return answers.map(answer => ('cause' in answer ? awayError(answer) : answer))
}

/** Claims are asked for all at once: a log makes those of one topic together. */
async function claimAll(log: Log, session: GatewaySession, request: OpenRequest): Promise<(Claimed | Refused | Away)[]> {
  const resume = new Set(request.resume)
  const past = await pastQuota(log, session, request)
  return Promise.all(
    request.sources.map(each =>
      past.has(each.source)
        ? tooMany(each.source, session.partitionsMax)
        : orUnavailable(each.source, () => claimOne(log, request.gateway, each, resume.has(each.source))),
    ),
  )
}

/** Asks the log about all of them together. */
async function findAll(log: Log, atOnce: number, claims: readonly Claim[]): Promise<(claim: Claim) => Found> {
  const ends = await log.ends(claims)
  const deadLetters = (await log.claims()).some(claim => claim.topic === DEAD_LETTER_TOPIC)
  const look = (batch: Buffer) => ({ ...factsOf(batch), isOurs: deadLetters && isDeadLetterPlaceholder(batch) })
  const filled = claims.filter(claim => isFilled(ends.get(claim)))
  // What an older session still had on its way may come between the two questions.
  const lasts = await log.lastBatches(filled, look).catch(unavailable)
  const topics = [...new Set(claims.map(({ topic }) => topic))]
  const limits = new Map(await eachOf(topics, atOnce, async topic => [topic, await log.batchBytesMax(topic)] as const))
  return claim => {
    const end = ends.get(claim)
    const batchBytesMax = limits.get(claim.topic)
    if (!isFilled(end)) return { end, last: undefined, batchBytesMax }
    if (lasts instanceof HeadraceError) return { away: lasts }
    if (!lasts.has(claim)) return { away: lastUnread(claim) }
    return { end, last: lasts.get(claim), batchBytesMax }
  }
}

function isFilled(end: PartitionEnd | undefined): end is PartitionEnd {
  return end !== undefined && end.next > end.first
}

function lastUnread({ topic, partition }: Claim): HeadraceError {
  return new HeadraceError('log_unavailable', `the last batch of ${topic}[${partition}] could not be read`)
}

/** One topic or partition that cannot be asked keeps none of the others waiting. */
async function orUnavailable<Answer>(source: string, ask: () => Promise<Answer>): Promise<Answer | Away> {
  return ask().catch(cause => ({ source, cause: unavailable(cause) }))
}

/** Gives back what says that the log cannot be reached; what else goes wrong is thrown on. */
function unavailable(cause: unknown): HeadraceError {
  if (!(cause instanceof HeadraceError) || cause.code !== 'log_unavailable') throw cause
  return cause
}

function awayError({ source, cause }: Away): Refused {
  const advice = 'It is asked again by itself. Look at the topic, and at what the core may do with it.'
  return { source, error: { code: OPEN_ERROR.unavailable, message: cause.message, advice } }
}

/** Sources that would be new, and more than the gateway may have; those that it has stay, whatever its quota is now. */
async function pastQuota(log: Log, { partitionsMax }: GatewaySession, { gateway, sources }: OpenRequest): Promise<Set<string>> {
  if (partitionsMax === Number.POSITIVE_INFINITY) return new Set()
  const claims = (await log.claims()).filter(claim => claim.source.gateway === gateway)
  const known = new Set(claims.map(claim => claim.source.source))
  // What is retired makes room for others.
  const used = claims.filter(claim => claim.retiredMs === undefined).length
  const fresh = sources.map(({ source }) => source).filter(source => !known.has(source))
  return new Set(fresh.slice(Math.max(0, partitionsMax - used)))
}

function tooMany(source: string, max: number): Refused {
  const message = `This gateway has the ${max} partitions that it may have.`
  const advice = 'Raise `partitions` in `quotas` of core.yaml, or retire a source. What the source reads is buffered.'
  return { source, error: { code: OPEN_ERROR.quota, message, advice } }
}

async function claimOne(
  log: Log,
  gateway: string,
  { source, topic, retired }: OpenSource,
  resume: boolean,
): Promise<Claimed | Refused> {
  const id = { gateway, source }
  try {
    const claim = await log.claim(id, topic)
    if (resume) return { source, claim: await log.renewEpoch(id) }
    if (retired) return { source, claim: await log.retire(id) }
    return claim.retiredMs === undefined ? { source, claim } : { source, error: retiredError(claim, claim.retiredMs) }
  } catch (cause) {
    if (!(cause instanceof HeadraceError) || cause.code === 'log_unavailable') throw cause
    const advice = cause.advice ?? 'Correct the topic of the pipeline, or the topic itself.'
    return { source, error: { code: OPEN_ERROR.topicRefused, message: cause.message, advice } }
  }
}

/** As if it were frozen: every version of a gateway goes on reading then, sends nothing, and knows the way back. */
function retiredError({ topic, partition }: Claim, retiredMs: number) {
  return {
    code: OPEN_ERROR.frozen,
    message: `The source was retired on ${new Date(retiredMs).toISOString()}; its records are in ${topic}[${partition}].`,
    advice: 'Take it out of its pipeline, or go on at the end of that partition: `headrace source resume` on its gateway.',
  }
}

function openOne(gates: Gates, session: GatewaySession, { source, claim }: Claimed, found: Found): OpenedSource | Away {
  if ('away' in found) return { source, cause: found.away }
  const { end: read, last: newest, batchBytesMax } = found
  if (!read) {
    const message = `${claim.topic}[${claim.partition}] has no leader that answers.`
    return { source, error: { code: OPEN_ERROR.unavailable, message, advice: 'It is asked again by itself.' } }
  }
  const gate = gates.of(claim)
  const frozen = gate.frozen(claim.epoch)
  if (frozen) {
    const advice = 'Find out who else writes to this partition; then run `headrace source resume` on its gateway.'
    return { source, error: { code: OPEN_ERROR.frozen, message: frozen.description, advice } }
  }
  const end = Math.max(read.next, newest ? newest.sequence + newest.count : 0)
  const isComparable = newest && newest.sequence + newest.count === end && !newest.isOurs
  session.sources.set(source, { claim, gate, end })
  const { topic, partition, producerId, epoch, epochStart, topicId, retiredMs } = claim
  const last = isComparable ? { sequence: newest.sequence, count: newest.count, crc: newest.crc } : null
  const limit = batchBytesMax === undefined ? {} : { batchBytesMax }
  const retired = retiredMs === undefined ? {} : { retired: true as const }
  return { source, topic, partition, producerId, epoch, epochStart, end, last, topicId, ...limit, ...retired }
}

/** Does something for each item, a bounded number at once, and gives the results in their order. */
async function eachOf<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  act: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  let at = 0
  const work = async () => {
    for (let index = at++; index < items.length; index = at++) results[index] = await act(items[index] as Item)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work))
  return results
}
