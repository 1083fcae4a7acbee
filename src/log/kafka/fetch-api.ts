import type { Place } from '../log.ts'
import { byTopic } from './apis.ts'
import { type Api, WireWriter } from './wire.ts'

export interface FetchPart extends Place {
  readonly from: number
}

export interface FetchedPart extends Place {
  readonly error: number
  readonly highWatermark: number
  readonly logStart: number
  readonly records: Buffer | null
}

/** What the broker knows already of a reader, by KIP-227. */
export interface SessionPlace {
  /** 0: none. */
  readonly id: number
  /** 0 begins a session, and ends the one that is named; {@link NO_SESSION}: nothing is to be kept. */
  readonly epoch: number
}

export const NO_SESSION: SessionPlace = { id: 0, epoch: -1 }

export interface FetchRequest {
  /** Within a session only what is to be read from elsewhere than the broker knows. */
  readonly parts: readonly FetchPart[]
  /** What is not read any more in a session. */
  readonly left?: readonly Place[]
  readonly session?: SessionPlace
  readonly maxWaitMs: number
  readonly maxBytes: number
  readonly maxBytesEach: number
}

export interface FetchResponse {
  /** Of the session; what is wrong with a partition stands there. */
  readonly error: number
  /** 0 where the broker keeps none. */
  readonly sessionId: number
  /** Within a session those only of which there is something new, or wrong. */
  readonly parts: readonly FetchedPart[]
}

/*
  Fetch v11 (key 1)
    request   replicaId INT32, maxWaitMs INT32, minBytes INT32, maxBytes INT32, isolation INT8, sessionId INT32, sessionEpoch INT32,
              [topic STRING, [partition INT32, leaderEpoch INT32, offset INT64, logStart INT64, maxBytes INT32]],
              [topic STRING, [partition INT32]], rack STRING
    response  throttleMs INT32, error INT16, sessionId INT32, [topic STRING, [partition INT32, error INT16, highWatermark INT64,
              lastStable INT64, logStart INT64, [producerId INT64, firstOffset INT64], preferredReplica INT32, records NULLABLE_BYTES]]
*/
export const fetchRecords: Api<FetchRequest, FetchResponse> = {
  key: 1,
  version: 11,
  name: 'Fetch',
  write({ parts, left = [], session = NO_SESSION, maxWaitMs, maxBytes, maxBytesEach }) {
    const out = new WireWriter().int32(-1).int32(maxWaitMs).int32(1).int32(maxBytes).int8(0)
    return out
      .int32(session.id)
      .int32(session.epoch)
      .array(inOrder(parts), ([topic, partitions]) =>
        out
          .string(topic)
          .array(partitions, ({ partition, from }) => out.int32(partition).int32(-1).int64(from).int64(-1).int32(maxBytesEach)),
      )
      .array(byTopic(left), ([topic, partitions]) => out.string(topic).array(partitions, ({ partition }) => out.int32(partition)))
      .string('')
      .done()
  },
  read(response) {
    response.throttle()
    const error = response.int16()
    const sessionId = response.int32()
    const parts = response.array(() => {
      const topic = response.string() ?? ''
      return response.array(() => {
        const partition = response.int32()
        const error = response.int16()
        const highWatermark = response.int64()
        response.int64()
        const logStart = response.int64()
        response.array(() => response.raw(16))
        response.int32()
        return { topic, partition, error, highWatermark, logStart, records: response.bytes() }
      })
    })
    return { error, sessionId, parts: parts.flat() }
  },
}

/** The bytes of a fetch are given out in this order: a topic may be named several times. */
function inOrder(parts: readonly FetchPart[]): [string, FetchPart[]][] {
  const runs: [string, FetchPart[]][] = []
  for (const part of parts) {
    const last = runs.at(-1)
    if (last?.[0] === part.topic) last[1].push(part)
    else runs.push([part.topic, [part]])
  }
  return runs
}
