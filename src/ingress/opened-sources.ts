import { OPEN_ERROR, type OpenedSource, type OpenRequest, type OpenSource } from '../amqp/messages.ts'
import type { Claim, Log, PartitionEnd } from '../log/log.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { DEAD_LETTER_TOPIC } from './dead-letters.ts'
import type { Gates } from './gates.ts'
import type { GatewaySession } from './gateway-session.ts'
import { isDeadLetterPlaceholder } from './what-lies.ts'

/** Questions to the log at once, in one opening. */
const QUESTIONS_AT_ONCE_MAX = 32

interface Claimed {
  readonly source: string
  readonly claim: Claim
}

/**
 * What the log says of each source of an opening. Sources are entered in the session with their gate. Rejects with `log_unavailable` where the log
 * cannot be reached; what is wrong with one source is said of that source.
 */
export async function openSources(
  log: Log,
  gates: Gates,
  session: GatewaySession,
  request: OpenRequest,
): Promise<OpenedSource[]> {
  const resume = new Set(request.resume)
  const claims = await eachOf(request.sources, each => claimOne(log, request.gateway, each, resume.has(each.source)))
  const claimed = claims.filter(claim => 'claim' in claim)
  const places = claimed.map(({ claim }) => claim)
  const ends = await log.ends(places)
  const deadLetters = (await log.claims()).some(claim => claim.topic === DEAD_LETTER_TOPIC)
  const opened = await eachOf(claimed, entry => openOne(log, gates, session, entry, ends.get(entry.claim), deadLetters))
  return [...claims.filter(claim => 'error' in claim), ...opened]
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
  read: PartitionEnd | undefined,
  deadLetters: boolean,
): Promise<OpenedSource> {
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
  const found = read.next > read.first ? await log.lastBatch(claim) : undefined
  // What an older session still had on its way may have come between the two questions.
  const end = Math.max(read.next, found ? found.sequence + found.count : 0)
  const comparable = found && found.sequence + found.count === end && !(deadLetters && (await endsInDeadLetter(log, claim, end)))
  session.sources.set(source, { claim, gate, end })
  const { topic, partition, producerId, epoch, epochStart, topicId, retiredMs } = claim
  const retired = retiredMs === undefined ? {} : { retired: true as const }
  return { source, topic, partition, producerId, epoch, epochStart, end, last: comparable ? found : null, topicId, ...retired }
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
async function eachOf<Item, Result>(items: readonly Item[], act: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  let at = 0
  const work = async () => {
    for (let index = at++; index < items.length; index = at++) results[index] = await act(items[index] as Item)
  }
  await Promise.all(Array.from({ length: Math.min(QUESTIONS_AT_ONCE_MAX, items.length) }, work))
  return results
}
