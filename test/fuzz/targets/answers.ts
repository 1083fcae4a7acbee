import fc from 'fast-check'
import { openReplySchema, openRequestSchema, parseDataAddress } from '../../../src/amqp/messages.ts'
import * as apis from '../../../src/log/kafka/apis.ts'
import { ClaimFold, encodeClaim } from '../../../src/log/kafka/claim-fold.ts'
import { fetchRecords } from '../../../src/log/kafka/fetch-api.ts'
import * as topicApis from '../../../src/log/kafka/topic-apis.ts'
import { type Api, WireWriter } from '../../../src/log/kafka/wire.ts'
import { HeadraceError } from '../../../src/runtime/errors.ts'
import { anyBytes, mutated } from '../harness/bytes.ts'
import { target } from '../harness/target.ts'

const out = () => new WireWriter()
const text = (value: string) => value

/** A valid response of each request that is sent, written by hand from the grammar in apis.ts and topic-apis.ts. */
const WRITTEN: readonly (readonly [Api<never, unknown>, readonly Buffer[]])[] = [
  [
    apis.produce,
    (() => {
      const w = out()
      w.array(['t'], topic =>
        w.string(topic).array([0, 1], partition => {
          w.int32(partition).int16(0).int64(7).int64(-1).int64(0)
          w.array([0], index => w.int32(index).string('why')).string(null)
        }),
      )
      return w.int32(0).done()
    })(),
  ],
  [
    fetchRecords,
    (() => {
      const w = out().int32(0).int16(0).int32(0)
      w.array(['t'], topic =>
        w.string(topic).array([0], partition => {
          w.int32(partition).int16(0).int64(9).int64(9).int64(0)
          w.array([1], id => w.int64(id).int64(0))
          w.int32(-1).bytes(Buffer.alloc(70, 1))
        }),
      )
      return w.done()
    })(),
  ],
  [
    apis.listOffsets,
    (() => {
      const w = out().int32(0)
      w.array(['t'], topic => w.string(topic).array([0], at => w.int32(at).int16(0).int64(-1).int64(5).int32(1)))
      return w.done()
    })(),
  ],
  [
    apis.metadata,
    (() => {
      const w = out().tags().int32(0)
      w.compactArray([1], id => w.int32(id).compactString('host').int32(9092).compactString(null).tags())
      w.compactString('cluster').int32(1)
      w.compactArray(['t'], topic => {
        w.int16(0).compactString(topic).raw(Buffer.alloc(16, 3)).int8(0)
        w.compactArray([0], at => {
          w.int32(0).int16(0).int32(at).int32(1)
          for (let list = 0; list < 3; list++) w.compactArray([1], each => w.int32(each))
          w.tags()
        })
        w.int32(0).tags()
      })
      return w.tags().done()
    })(),
  ],
  [apis.initProducerId, out().int32(0).int16(0).int64(3).int16(0).done()],
  [apis.findCoordinator, out().int32(0).int16(0).string(null).int32(1).string('h').int32(9092).done()],
  [
    apis.offsetFetch,
    (() => {
      const w = out().int32(0)
      w.array(['t'], topic => w.string(topic).array([0], at => w.int32(at).int64(5).int32(-1).string(text('')).int16(0)))
      return w.int16(0).done()
    })(),
  ],
  [
    topicApis.createTopic,
    (() => {
      const w = out().int32(0)
      return w.array(['t'], topic => w.string(topic).int16(44).string('a policy')).done()
    })(),
  ],
  [
    topicApis.describeConfigs,
    (() => {
      const w = out().int32(0)
      w.array(['t'], topic => {
        w.int16(0).string(null).int8(topicApis.CONFIG_OF.topic).string(topic)
        w.array(['retention.ms'], name => {
          w.string(name).string('-1').int8(0).int8(1).int8(0)
          w.array([name], each => w.string(each).string('-1').int8(1))
        })
      })
      return w.done()
    })(),
  ],
]
const RESPONSES = WRITTEN.map(([api, pieces]) => [api, Buffer.concat(pieces)] as const)

const response = fc.nat(RESPONSES.length - 1).chain(index => {
  const [, valid] = RESPONSES[index] as (typeof RESPONSES)[number]
  return fc.record({ index: fc.constant(index), bytes: fc.oneof({ weight: 4, arbitrary: mutated([valid]) }, anyBytes(80)) })
})

const REQUEST = Buffer.from(
  JSON.stringify({ version: 1, gateway: 'g', instance: '12345678', session: '4', sources: [{ source: 's', topic: 't' }] }),
)
const REPLY = Buffer.from(
  JSON.stringify({
    version: 1,
    session: '4',
    log: 'kafka:x',
    sources: [
      {
        source: 's',
        topic: 't',
        partition: 0,
        producerId: '1',
        epoch: 0,
        epochStart: '0',
        end: '9',
        last: { sequence: '8', count: 1, crc: 1 },
        topicId: 'x',
      },
    ],
  }),
)
const CLAIM = encodeClaim({
  gateway: 'g',
  source: 's',
  topic: 't',
  topicId: 'x',
  partition: 0,
  producerId: 1,
  epoch: 0,
  epochStart: 0,
  replaces: -1,
})

export const targets = [
  target({
    name: "Kafka's answers: read, or the log is unavailable",
    input: response,
    runs: 6_000,
    run({ index, bytes }) {
      const [api] = RESPONSES[index] as (typeof RESPONSES)[number]
      try {
        apis.readResponse(api, bytes)
      } catch (error) {
        if (!(error instanceof HeadraceError) || error.code !== 'log_unavailable') throw error
      }
    },
  }),
  target({
    name: 'openings, replies, claims and addresses: understood or not, never an exception',
    input: fc.record({
      json: fc.oneof(
        mutated([REQUEST, REPLY, CLAIM]),
        fc.json().map(each => Buffer.from(each)),
        anyBytes(100),
      ),
      address: fc.oneof(fc.string(), fc.constantFrom('headrace/in/g/4', 'headrace/in/g/99999999999999999', 'headrace/in//1')),
    }),
    runs: 3_000,
    run({ json, address }) {
      new ClaimFold().take(0, json)
      const data = parseDataAddress(address)
      if (data && !Number.isFinite(data.session)) throw new Error(`session ${data.session}`)
      let value: unknown
      try {
        value = JSON.parse(json.toString('utf8'))
      } catch {
        return
      }
      const request = openRequestSchema.safeParse(value)
      const reply = openReplySchema.safeParse(value)
      for (const session of [request.data?.session, reply.data?.session])
        if (session !== undefined && !Number.isSafeInteger(session)) throw new Error(`session ${session}`)
    },
  }),
]
