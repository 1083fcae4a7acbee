import type { Fields } from '../record/fields.ts'
import type { EncodedBatch } from '../record/record.ts'
import type { SourceId } from '../runtime/names.ts'

/** A place in a log that batches are appended to and read from. */
export interface Place {
  readonly topic: string
  readonly partition: number
}

/** Which log this is: two that differ here are two logs, however alike their names are. */
export interface LogIdentity {
  readonly engine: 'kafka' | 'sqlite'
  /** Kafka: the cluster id. SQLite: the uuid made with the file. A topic that was made anew has another {@link Claim.topicId}. */
  readonly id: string
}

/** What the registry says of a source: where it lies, and as whom its gateway writes. */
export interface Claim extends Place {
  readonly source: SourceId
  /** Kafka's topic id, or the SQLite log's uuid: another one is another log. */
  readonly topicId: string
  readonly producerId: number
  readonly epoch: number
  /** The sequence that is first in this epoch. */
  readonly epochStart: number
  /** Where this claim stands in the registry's own log; the next one for the source has to name it. */
  readonly at: number
  /** What its gateway said of its records' fields; absent where it said nothing. */
  readonly fields?: Fields
  /** When it was retired, wall clock in ms: nothing more comes of it, and its partition stays its own. Ended by a new epoch. */
  readonly retiredMs?: number
}

/** What a gateway says of one of its sources, for those who read it. */
export interface SourceFields {
  readonly source: SourceId
  readonly fields: Fields
}

/** Proof that the end of a partition was read on the connection and leader epoch that are still in use. Engines make it; nobody else looks inside. */
export type EndProof = { readonly brand: 'end-proof' } & object

/** What tells one batch in a partition from another. */
export interface BatchFacts {
  readonly sequence: number
  readonly count: number
  readonly crc: number
}

/** The end of a partition. */
export interface PartitionEnd {
  /** First offset that can still be read. */
  readonly first: number
  /** The offset that the next record will have (Kafka: the high watermark). */
  readonly next: number
  readonly proof: EndProof
}

/** An expected outcome is a value; only what the caller could not have asked about is thrown. */
export type Appended =
  | { readonly outcome: 'appended'; readonly offset: number }
  /** The log had this very batch already; `offset` is where. An engine that cannot tell says `appended`, with that offset. */
  | { readonly outcome: 'repeated'; readonly offset: number }
  /** Not stored. `gap`: not the next number. `fenced`: an older epoch. `proof_void`: read the end again first. */
  | {
      readonly outcome: 'refused'
      readonly reason: 'gap' | 'fenced' | 'corrupt' | 'too_large' | 'rejected' | 'proof_void'
      readonly detail: string
    }
  /** Not known whether it is stored: the answer was lost, or the log cannot be reached. Read the end again, then try again. */
  | { readonly outcome: 'unavailable'; readonly detail: string }

/** Where a reader stands in one partition. */
export interface Cursor extends Place {
  readonly from: number
}

export interface FetchLimits {
  /** Bytes over all cursors; one batch is always given whole, however large. */
  readonly maxBytes: number
  /** How long to wait where there is nothing yet, ms; 0 answers at once. */
  readonly waitMs: number
  readonly signal?: AbortSignal
}

export interface Fetched extends Place {
  /** Whole batches in order of offset, their base offset set; the first may begin before the cursor's `from`. */
  readonly batches: readonly Buffer[]
  /** The partition's bounds at that moment. */
  readonly first: number
  readonly next: number
  /** The cursor's `from` lies outside the bounds: nothing is given, and nothing is reset silently. */
  readonly outOfRange?: true
}

/** Follows many partitions, at the cost of what is new in them: where nothing changed, nothing is said again. One call of {@link fetch} at a time. */
export interface Follower {
  /** From now on this partition is read from there, whatever was said of it before. */
  follow(cursor: Cursor): void
  leave(place: Place): void
  /**
   * Waits until one of the partitions has something, and gives what there is; the next call goes on behind it. A partition of which nothing is new may be
   * missing. One that is out of range stays where it is, and is given again, until it is followed from elsewhere.
   */
  fetch(limits: FetchLimits): Promise<Fetched[]>
  close(): void
}

/** Somebody who reads in a consumer group now. */
export interface GroupMember {
  readonly id: string
  /** The name that it gives itself (`client.id`). */
  readonly client: string
  readonly host: string
}

/** An entry of a {@link Journal}, and where it stands in it. */
export interface JournalEntry {
  readonly at: number
  readonly key: string
  readonly value: Buffer
}

/** Small entries in one order, which any number of cores write and read whole. Of those that have one key at least the last is kept. */
export interface Journal {
  /** One that was made anew under the same name has another. */
  id(): Promise<string>
  /** Appends one, and gives where it stands. After a rejection it is not known whether it was stored. */
  append(key: string, value: Buffer): Promise<number>
  /** Entries from there on, as many as come at once, and where the next ones are; `end` where that is the end. Undefined where it does not reach so far. */
  read(
    from: number,
  ): Promise<{ readonly entries: readonly JournalEntry[]; readonly next: number; readonly end: boolean } | undefined>
}

/** What a topic is asked to be when it is made. */
export interface TopicNeeds {
  readonly topic: string
  /** Most partitions are added as sources come. */
  readonly partitionsAtLeast: number
}

/**
 * Append-only partitions of batches, one for each source, addressed by offset. Two engines, one conformance suite.
 * Every call rejects with `log_unavailable` where the log cannot be reached within the engine's own limit.
 */
export interface Log {
  identity(): Promise<LogIdentity>

  /** The source's claim, if it has one. */
  claimOf(source: SourceId): Promise<Claim | undefined>
  /** Every standing claim. */
  claims(): Promise<Claim[]>
  /**
   * Where a source's batches lie; made on first use, and the same for the life of the log. Any number of processes may ask at once and
   * agree. Rejects with `topic_refused` where the topic holds data of somebody else or has settings under which nothing can be promised.
   */
  claim(source: SourceId, topic: string): Promise<Claim>
  /** A new producer epoch for a source (`source resume`), first number = the partition's end. */
  renewEpoch(source: SourceId): Promise<Claim>
  /** Keeps what gateways say of their sources' fields, where it is news; shown with the claim. A source without a claim is left out. */
  describe(sources: readonly SourceFields[]): Promise<void>
  /** Marks a source as one of which nothing more comes; a second time changes nothing. Rejects with `not_found` where it has no claim. */
  retire(source: SourceId): Promise<Claim>

  /** The partition's end, read from the leader. */
  end(place: Place): Promise<PartitionEnd>
  /** The ends of many partitions in as few requests as the engine can. A partition that could not be asked is missing in the answer. */
  ends(places: readonly Place[]): Promise<Map<Place, PartitionEnd>>
  /** The largest batch that a topic takes, bytes; undefined where the log does not say. A setting that is changed is seen after a while. */
  batchBytesMax(topic: string): Promise<number | undefined>
  /** Header facts of the last batch before `next`; undefined in an empty partition. */
  lastBatch(place: Place): Promise<BatchFacts | undefined>
  /**
   * What `look` makes of the last batch of each of many partitions, which are read in as few requests as the engine can; undefined where one is empty. A
   * partition that could not be read is missing in the answer. The bytes are the engine's again afterwards.
   */
  lastBatches<Fact>(places: readonly Place[], look: (batch: Buffer) => Fact): Promise<Map<Place, Fact | undefined>>

  /**
   * Appends a batch untouched. Resolves once it is as durable as this log can make it; never retries by itself. The proof is looked at in
   * the tick that writes the request, and a void one refuses. One append at a time for each place: the caller sees to it.
   * `sharer` is who the batch is of: all who append at once get an equal share.
   */
  append(place: Place, batch: EncodedBatch, proof: EndProof, sharer?: string): Promise<Appended>

  /** Long-poll over many partitions, once. */
  fetch(cursors: readonly Cursor[], limits: FetchLimits): Promise<Fetched[]>
  /** For who reads them again and again; whoever asked for it closes it. */
  follower(): Follower
  /** The first offset whose record is not older than `timeMs`; the end where there is none. */
  offsetAt(place: Place, timeMs: number): Promise<number>
  /** Deletes what lies before `before`. */
  trim(place: Place, before: number): Promise<void>

  /** Offsets of a reader's group: next to read, by place. */
  commitOffsets(group: string, offsets: readonly Cursor[]): Promise<void>
  committedOffsets(group: string, places: readonly Place[]): Promise<Cursor[]>
  /** Who is in the group: its offsets move while somebody is. */
  groupMembers(group: string): Promise<readonly GroupMember[]>

  /** What cores tell each other under this name; undefined where there can be no other core at this log. */
  journal(topic: string): Promise<Journal | undefined>

  /** Calls when connections or leaders changed, so that what was proven before is void. Returns a function that ends it. */
  onProofsVoid(call: () => void): () => void
  close(): Promise<void>
}
