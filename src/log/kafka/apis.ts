import type { Place } from '../log.ts'
import { type Api, WireReader, WireWriter } from './wire.ts'

export interface PartitionBytes extends Place {
  readonly records: Buffer
}

export interface ProducedPartition extends Place {
  readonly error: number
  readonly baseOffset: number
  /**
   * The leader knew a batch of this producer with these very numbers. It says so without wanting to: a topic of CreateTime has no time of appending,
   * but of a batch that it remembers the leader gives that one's timestamp (Kafka 3.9 and 4.x: UnifiedLog.append, ProducerStateEntry).
   */
  readonly isRepeat: boolean
  readonly message: string | null
}

/** As most requests name partitions. */
export function byTopic<Item extends Place>(items: readonly Item[]): [string, Item[]][] {
  return [...Map.groupBy(items, item => item.topic)]
}

/*
  Produce v8 (key 0)
    request   transactionalId NULLABLE_STRING, acks INT16, timeoutMs INT32, [topic STRING, [partition INT32, records NULLABLE_BYTES]]
    response  [topic STRING, [partition INT32, error INT16, baseOffset INT64, logAppendTime INT64, logStartOffset INT64,
              [batchIndex INT32, message NULLABLE_STRING], message NULLABLE_STRING]], throttleMs INT32
*/
/** Kafka: RecordBatch.NO_TIMESTAMP */
const NO_TIMESTAMP = -1

export const produce: Api<{ parts: readonly PartitionBytes[]; timeoutMs: number }, ProducedPartition[]> = {
  key: 0,
  version: 8,
  name: 'Produce',
  write({ parts, timeoutMs }) {
    const out = new WireWriter().string(null).int16(-1).int32(timeoutMs)
    out.array(byTopic(parts), ([topic, partitions]) =>
      out.string(topic).array(partitions, ({ partition, records }) => out.int32(partition).bytes(records)),
    )
    return out.done()
  },
  read(response) {
    const answers = response
      .array(() => {
        const topic = response.string() ?? ''
        return response.array(() => {
          const partition = response.int32()
          const error = response.int16()
          const baseOffset = response.int64()
          const logAppendTime = response.int64()
          response.int64()
          const first = response.array(() => ({ index: response.int32(), message: response.string() }))[0]
          const message = response.string() ?? first?.message ?? null
          return { topic, partition, error, baseOffset, isRepeat: logAppendTime !== NO_TIMESTAMP, message }
        })
      })
      .flat()
    response.throttle()
    return answers
  },
}

/** Asks for the high watermark, or for the first offset there is. */
export const LATEST = -1
export const EARLIEST = -2

export interface OffsetPart extends Place {
  readonly error: number
  readonly offset: number
  readonly leaderEpoch: number
}

/*
  ListOffsets v5 (key 2)
    request   replicaId INT32, isolation INT8, [topic STRING, [partition INT32, leaderEpoch INT32, timestamp INT64]]
    response  throttleMs INT32, [topic STRING, [partition INT32, error INT16, timestamp INT64, offset INT64, leaderEpoch INT32]]
*/
export const listOffsets: Api<{ places: readonly Place[]; timestamp: number }, OffsetPart[]> = {
  key: 2,
  version: 5,
  name: 'ListOffsets',
  write({ places, timestamp }) {
    const out = new WireWriter().int32(-1).int8(0)
    return out
      .array(byTopic(places), ([topic, partitions]) =>
        out.string(topic).array(partitions, each => out.int32(each.partition).int32(-1).int64(timestamp)),
      )
      .done()
  },
  read(response) {
    response.throttle()
    return response
      .array(() => {
        const topic = response.string() ?? ''
        return response.array(() => {
          const partition = response.int32()
          const error = response.int16()
          response.int64()
          return { topic, partition, error, offset: response.int64(), leaderEpoch: response.int32() }
        })
      })
      .flat()
  },
}

export interface BrokerAddress {
  readonly id: number
  readonly host: string
  readonly port: number
}

export interface TopicMetadata {
  readonly error: number
  readonly topic: string
  readonly id: string
  readonly partitions: readonly {
    readonly error: number
    readonly partition: number
    readonly leader: number
    readonly leaderEpoch: number
  }[]
  /** What this user may do with the topic, a bit for each of Kafka's AclOperation codes; undefined where it was not asked. */
  readonly operations: number | undefined
}

/** Kafka's AclOperation codes, as far as a topic knows them. */
export const TOPIC_OPERATIONS = {
  Read: 3,
  Write: 4,
  Create: 5,
  Delete: 6,
  Alter: 7,
  Describe: 8,
  DescribeConfigs: 10,
} as const
export type TopicOperation = keyof typeof TOPIC_OPERATIONS

/** What a broker gives for operations that were not asked for. */
const NOT_ASKED = -(2 ** 31)

export interface ClusterMetadata {
  readonly clusterId: string
  readonly brokers: readonly BrokerAddress[]
  /** −1 where there is none now. */
  readonly controller: number
  readonly topics: readonly TopicMetadata[]
}

/*
  Metadata v12 (key 3, flexible: the request header ends and the response header begins with tagged fields)
    request   [topicId UUID, topic COMPACT_STRING], allowAutoTopicCreation BOOLEAN, includeTopicAuthorizedOperations BOOLEAN
    response  throttleMs INT32, [id INT32, host COMPACT_STRING, port INT32, rack COMPACT_STRING], clusterId COMPACT_STRING, controller INT32,
              [error INT16, topic COMPACT_STRING, topicId UUID, internal BOOLEAN, [error INT16, partition INT32, leader INT32, leaderEpoch INT32,
              [replica INT32], [inSync INT32], [offline INT32]], authorizedOperations INT32]
  kafkajs decodes this by itself, but throws away all of it when one partition has an error.
*/
export const metadata: Api<{ topics: readonly string[]; withRights?: true }, ClusterMetadata> = {
  key: 3,
  version: 12,
  name: 'Metadata',
  write({ topics, withRights }) {
    const out = new WireWriter().tags()
    return out
      .compactArray(topics, topic => out.raw(Buffer.alloc(16)).compactString(topic).tags())
      .int8(0)
      .int8(withRights ? 1 : 0)
      .tags()
      .done()
  },
  read(response) {
    response.tags()
    response.throttle()
    const brokers = response.compactArray(() => {
      const broker = { id: response.int32(), host: response.compactString() ?? '', port: response.int32() }
      response.compactString()
      response.tags()
      return broker
    })
    const clusterId = response.compactString() ?? ''
    const controller = response.int32()
    const topics = response.compactArray(() => {
      const error = response.int16()
      const topic = response.compactString() ?? ''
      const id = response.uuid()
      response.int8()
      const partitions = response.compactArray(() => {
        const part = {
          error: response.int16(),
          partition: response.int32(),
          leader: response.int32(),
          leaderEpoch: response.int32(),
        }
        for (let list = 0; list < 3; list++) response.compactArray(() => response.int32())
        response.tags()
        return part
      })
      const operations = response.int32()
      response.tags()
      return { error, topic, id, partitions, operations: operations === NOT_ASKED ? undefined : operations }
    })
    return { clusterId, brokers, controller, topics }
  },
}

/*
  InitProducerId v1 (key 22)
    request   transactionalId NULLABLE_STRING, transactionTimeoutMs INT32
    response  throttleMs INT32, error INT16, producerId INT64, epoch INT16
*/
export const initProducerId: Api<null, { error: number; producerId: number }> = {
  key: 22,
  version: 1,
  name: 'InitProducerId',
  write: () => new WireWriter().string(null).int32(60_000).done(),
  read(response) {
    response.throttle()
    return { error: response.int16(), producerId: response.int64() }
  },
}

/*
  FindCoordinator v1 (key 10)
    request   key STRING, keyType INT8
    response  throttleMs INT32, error INT16, message NULLABLE_STRING, node INT32, host STRING, port INT32
*/
export const findCoordinator: Api<{ group: string }, { error: number; node: number }> = {
  key: 10,
  version: 1,
  name: 'FindCoordinator',
  write: ({ group }) => new WireWriter().string(group).int8(0).done(),
  read(response) {
    response.throttle()
    const error = response.int16()
    response.string()
    return { error, node: response.int32() }
  },
}

export interface GroupOffset extends Place {
  readonly offset: number
}

/*
  OffsetCommit v7 (key 8)
    request   group STRING, generation INT32, member STRING, instance NULLABLE_STRING, [topic STRING, [partition INT32, offset INT64,
              leaderEpoch INT32, metadata NULLABLE_STRING]]
    response  throttleMs INT32, [topic STRING, [partition INT32, error INT16]]
  Generation −1 and an empty member: the group has no members, its offsets are ours to write.
*/
export const offsetCommit: Api<{ group: string; offsets: readonly GroupOffset[] }, (Place & { error: number })[]> = {
  key: 8,
  version: 7,
  name: 'OffsetCommit',
  write({ group, offsets }) {
    const out = new WireWriter().string(group).int32(-1).string('').string(null)
    return out
      .array(byTopic(offsets), ([topic, parts]) =>
        out.string(topic).array(parts, ({ partition, offset }) => out.int32(partition).int64(offset).int32(-1).string(null)),
      )
      .done()
  },
  read(response) {
    response.throttle()
    return response
      .array(() => {
        const topic = response.string() ?? ''
        return response.array(() => ({ topic, partition: response.int32(), error: response.int16() }))
      })
      .flat()
  },
}

/*
  OffsetFetch v5 (key 9)
    request   group STRING, [topic STRING, [partition INT32]]
    response  throttleMs INT32, [topic STRING, [partition INT32, offset INT64, leaderEpoch INT32, metadata NULLABLE_STRING, error INT16]], error INT16
*/
export const offsetFetch: Api<{ group: string; places: readonly Place[] }, { error: number; offsets: GroupOffset[] }> = {
  key: 9,
  version: 5,
  name: 'OffsetFetch',
  write({ group, places }) {
    const out = new WireWriter().string(group)
    return out
      .array(byTopic(places), ([topic, parts]) => out.string(topic).array(parts, ({ partition }) => out.int32(partition)))
      .done()
  },
  read(response) {
    response.throttle()
    // What may not be told of one partition must not pass for a group that has no offset there.
    const errors: number[] = []
    const offsets = response
      .array(() => {
        const topic = response.string() ?? ''
        return response.array(() => {
          const part = { topic, partition: response.int32(), offset: response.int64() }
          response.int32()
          response.string()
          errors.push(response.int16())
          return part
        })
      })
      .flat()
    return { offsets, error: [response.int16(), ...errors].find(error => error !== 0) ?? 0 }
  },
}

/*
  DeleteRecords v1 (key 21)
    request   [topic STRING, [partition INT32, before INT64]], timeoutMs INT32
    response  throttleMs INT32, [topic STRING, [partition INT32, lowWatermark INT64, error INT16]]
*/
export const deleteRecords: Api<{ place: Place; before: number; timeoutMs: number }, { error: number }> = {
  key: 21,
  version: 1,
  name: 'DeleteRecords',
  write({ place, before, timeoutMs }) {
    const out = new WireWriter()
    return out
      .array([place], ({ topic, partition }) => out.string(topic).array([partition], each => out.int32(each).int64(before)))
      .int32(timeoutMs)
      .done()
  },
  read(response) {
    response.throttle()
    const [first] = response
      .array(() => {
        response.string()
        return response.array(() => {
          response.int32()
          response.int64()
          return { error: response.int16() }
        })
      })
      .flat()
    return first ?? { error: -1 }
  },
}

/** Reads a whole response. */
export function readResponse<Response>(api: Api<never, Response>, bytes: Buffer): Response {
  return api.read(new WireReader(bytes))
}
