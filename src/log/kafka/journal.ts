import { decodeBatch } from '../../record/batch-reader.ts'
import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import type { Journal, JournalEntry } from '../log.ts'
import type { KafkaCluster } from './cluster.ts'
import type { Fetcher } from './fetcher.ts'
import type { RecordAppender } from './record-appender.ts'
import { ensureTopic } from './topics.ts'

const READ_BYTES = 4 * 2 ** 20
/** A topic that has just been made has no leader for a moment. */
const LEADER_PAUSE_MS = 100
const LEADER_ATTEMPTS_MAX = 50

export interface KafkaJournalDeps {
  readonly cluster: KafkaCluster
  readonly fetcher: Fetcher
  readonly appender: RecordAppender
  readonly clock: Clock
  readonly replication: number | undefined
}

/** A compacted topic of one partition. Entries with keys of their own stay for ever; of those that share one, what a later one says counts. */
export class KafkaJournal implements Journal {
  readonly #deps: KafkaJournalDeps
  readonly #topic: string

  private constructor(deps: KafkaJournalDeps, topic: string) {
    this.#deps = deps
    this.#topic = topic
  }

  /** Makes the topic where it is missing. */
  static async open(deps: KafkaJournalDeps, topic: string): Promise<KafkaJournal> {
    const { cluster, clock, replication } = deps
    await ensureTopic(cluster, { topic, partitions: 1, replication, compacted: true })
    const place = { topic, partition: 0 }
    for (let attempt = 1; !cluster.leader(place) && attempt < LEADER_ATTEMPTS_MAX; attempt++) {
      await cluster.refresh([topic])
      if (!cluster.leader(place)) await new Promise<void>(resolve => clock.after(LEADER_PAUSE_MS, resolve))
    }
    await cluster.findLeader(place)
    return new KafkaJournal(deps, topic)
  }

  id(): Promise<string> {
    return this.#deps.cluster.topicId(this.#topic)
  }

  append(key: string, value: Buffer): Promise<number> {
    return this.#deps.appender.append(this.#topic, key, value)
  }

  async read(from: number) {
    const { cluster, fetcher } = this.#deps
    const place = { topic: this.#topic, partition: 0 }
    await cluster.findLeader(place)
    const [part] = await fetcher.fetch([{ ...place, from }], { maxBytes: READ_BYTES, waitMs: 0 })
    if (part?.outOfRange) return undefined
    if (!part) throw new HeadraceError('log_unavailable', `${this.#topic} could not be read`)
    const entries: JournalEntry[] = []
    let next = from
    for (const batch of part.batches) {
      for (const { sequence: at, key, value } of decodeBatch(batch)) {
        if (at < from) continue
        next = at + 1
        if (key !== null && value !== null) entries.push({ at, key, value })
      }
    }
    // Nothing, though there is more: whoever asks again at once would do so without end.
    if (next === from && next < part.next) throw new HeadraceError('log_unavailable', `${this.#topic}[0] gave nothing at ${from}`)
    return { entries, next, end: next >= part.next }
  }
}
