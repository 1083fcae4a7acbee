import { OPEN_ERROR, type OpenedSource, type OpenRequest, type OpenSource } from '../amqp/messages.ts'
import type { Claim, Log, PartitionEnd } from '../log/log.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { DEAD_LETTER_TOPIC } from './dead-letters.ts'
import type { Gates } from './gates.ts'
import type { GatewaySession } from './gateway-session.ts'
import { isDeadLetterPlaceholder } from './what-lies.ts'

interface Claimed {
  readonly source: string
  readonly claim: Claim
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
  const resume = new Set(request.resume)
  const past = await pastQuota(log, session, request)
  const claims = await eachOf(request.sources, atOnce, each =>
    past.has(each.source)
      ? Promise.resolve(tooMany(each.source, session.partitionsMax))
      : orUnavailable(each.source, () => claimOne(log, request.gateway, each, resume.has(each.source))),
  )
  const claimed = claims.filter(claim => 'claim' in claim)
  const places = claimed.map(({ claim }) => claim)
  const ends = await log.ends(places)
  const deadLetters = (await log.claims()).some(claim => claim.topic === DEAD_LETTER_TOPIC)
  const topics = [...new Set(places.map(({ topic }) => topic))]
  const limits = new Map(await eachOf(topics, atOnce, async topic => [topic, await log.batchBytesMax(topic)] as const))
  const opened = await eachOf(claimed, atOnce, entry =>
    orUnavailable(entry.source, () =>
      openOne(log, gates, session, entry, {
        read: ends.get(entry.claim),
        deadLetters,
        batchBytesMax: limits.get(entry.claim.topic),
      }),
    ),
  )
  const answers = [...claims.flatMap(claim => ('claim' in claim ? [] : [claim])), ...opened]
  const away = answers.filter(answer => 'cause' in answer)
  // Of nothing that was asked anything could be told: another core may reach the log, or this one later.
  if (away[0] && away.length === answers.length) throw away[0].cause
  for (const answer of answers)
    if ('error' in answer && answer.error.code === OPEN_ERROR.topicRefused)
      session.sourceRefused(answer.source, answer.error.message)
  return answers.map(answer => ('cause' in answer ? awayError(answer) : answer))
}

/** The log cannot be reached for this source now. */
interface Away {
  readonly source: string
  readonly cause: HeadraceError
}

/** One topic or partition that cannot be asked keeps none of the others waiting. */
async function orUnavailable<Answer>(source: string, ask: () => Promise<Answer>): Promise<Answer | Away> {
  try {
    return await ask()
  } catch (cause) {
    if (!(cause instanceof HeadraceError) || cause.code !== 'log_unavailable') throw cause
    return { source, cause }
  }
}

function awayError({ source, cause }: Away): Extract<OpenedSource, { error: unknown }> {
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

function tooMany(source: string, max: number): Extract<OpenedSource, { error: unknown }> {
  const message = `This gateway has the ${max} partitions that it may have.`
  const advice = 'Raise `partitions` in `quotas` of core.yaml, or retire a source. What the source reads is buffered.'
  return { source, error: { code: OPEN_ERROR.quota, message, advice } }
}

async function claimOne(
  log: Log,
  gateway: string,
  { source, topic, retired }: OpenSource,
  resume: boolean,
): Promise<Claimed | Extract<OpenedSource, { error: unknown }>> {
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

async function openOne(
  log: Log,
  gates: Gates,
  session: GatewaySession,
  { source, claim }: Claimed,
  found: { readonly read: PartitionEnd | undefined; readonly deadLetters: boolean; readonly batchBytesMax: number | undefined },
): Promise<OpenedSource> {
  const { read, deadLetters, batchBytesMax } = found
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
  const newest = read.next > read.first ? await log.lastBatch(claim) : undefined
  // What an older session still had on its way may have come between the two questions.
  const end = Math.max(read.next, newest ? newest.sequence + newest.count : 0)
  const comparable =
    newest && newest.sequence + newest.count === end && !(deadLetters && (await endsInDeadLetter(log, claim, end)))
  session.sources.set(source, { claim, gate, end })
  const { topic, partition, producerId, epoch, epochStart, topicId, retiredMs } = claim
  const last = comparable ? newest : null
  const limit = batchBytesMax === undefined ? {} : { batchBytesMax }
  const retired = retiredMs === undefined ? {} : { retired: true as const }
  return { source, topic, partition, producerId, epoch, epochStart, end, last, topicId, ...limit, ...retired }
}

/** The gateway cannot know a placeholder that the core wrote in the place of a batch of its own. */
async function endsInDeadLetter(log: Log, claim: Claim, end: number): Promise<boolean> {
  const [fetched] = await log.fetch([{ topic: claim.topic, partition: claim.partition, from: end - 1 }], {
    maxBytes: 1,
    waitMs: 0,
  })
  const batch = fetched?.batches[0]
  return batch !== undefined && isDeadLetterPlaceholder(batch)
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
