import { type Api, WireWriter } from './wire.ts'

/** What a broker says of something that was asked of it. */
export interface Verdict {
  readonly error: number
  readonly message: string | null
}

const NOT_ANSWERED: Verdict = { error: -1, message: null }

export interface NewTopic {
  readonly topic: string
  readonly partitions: number
  readonly replication: number
  readonly settings: readonly { readonly name: string; readonly value: string }[]
  readonly timeoutMs: number
}

/*
  CreateTopics v4 (key 19)
    request   [topic STRING, partitions INT32, replication INT16, [assignment], [name STRING, value NULLABLE_STRING]], timeoutMs INT32, validateOnly BOOLEAN
    response  throttleMs INT32, [topic STRING, error INT16, message NULLABLE_STRING]
*/
export const createTopic: Api<NewTopic, Verdict> = {
  key: 19,
  version: 4,
  name: 'CreateTopics',
  write({ topic, partitions, replication, settings, timeoutMs }) {
    const out = new WireWriter().int32(1).string(topic).int32(partitions).int16(replication).int32(0)
    return out
      .array(settings, ({ name, value }) => out.string(name).string(value))
      .int32(timeoutMs)
      .int8(0)
      .done()
  },
  read(response) {
    response.throttle()
    const verdicts = response.array(() => {
      response.string()
      return { error: response.int16(), message: response.string() }
    })
    return verdicts[0] ?? NOT_ANSWERED
  },
}

/*
  DeleteTopics v3 (key 20)
    request   [topic STRING], timeoutMs INT32
    response  throttleMs INT32, [topic STRING, error INT16]
*/
export const deleteTopics: Api<{ topic: string; timeoutMs: number }, Verdict> = {
  key: 20,
  version: 3,
  name: 'DeleteTopics',
  write: ({ topic, timeoutMs }) => new WireWriter().int32(1).string(topic).int32(timeoutMs).done(),
  read(response) {
    response.throttle()
    const verdicts = response.array(() => {
      response.string()
      return { error: response.int16(), message: null }
    })
    return verdicts[0] ?? NOT_ANSWERED
  },
}

/*
  CreatePartitions v1 (key 37)
    request   [topic STRING, count INT32, [assignment] nullable], timeoutMs INT32, validateOnly BOOLEAN
    response  throttleMs INT32, [topic STRING, error INT16, message NULLABLE_STRING]
*/
export const createPartitions: Api<{ topic: string; count: number; timeoutMs: number }, Verdict> = {
  key: 37,
  version: 1,
  name: 'CreatePartitions',
  write: ({ topic, count, timeoutMs }) =>
    new WireWriter().int32(1).string(topic).int32(count).int32(-1).int32(timeoutMs).int8(0).done(),
  read: createTopic.read,
}

/** Kafka's ConfigResource.Type */
export const CONFIG_OF = { topic: 2, broker: 4 } as const

export type Settings = ReadonlyMap<string, string>

/*
  DescribeConfigs v2 (key 32)
    request   [type INT8, name STRING, [setting STRING] nullable], includeSynonyms BOOLEAN
    response  throttleMs INT32, [error INT16, message NULLABLE_STRING, type INT8, name STRING, [name STRING, value NULLABLE_STRING, readOnly BOOLEAN,
              source INT8, sensitive BOOLEAN, [name STRING, value NULLABLE_STRING, source INT8]]]
*/
export const describeConfigs: Api<
  { type: keyof typeof CONFIG_OF; name: string; settings?: readonly string[] },
  Verdict & { settings: Settings }
> = {
  key: 32,
  version: 2,
  name: 'DescribeConfigs',
  write({ type, name, settings }) {
    const out = new WireWriter().int32(1).int8(CONFIG_OF[type]).string(name)
    if (settings) out.array(settings, each => out.string(each))
    else out.int32(-1)
    return out.int8(0).done()
  },
  read(response) {
    response.throttle()
    const found = response.array(() => {
      const verdict = { error: response.int16(), message: response.string() }
      response.int8()
      response.string()
      const settings = response.array(() => {
        const [name, value] = [response.string() ?? '', response.string() ?? '']
        response.raw(3)
        response.array(() => [response.string(), response.string(), response.int8()])
        return [name, value] as const
      })
      return { ...verdict, settings: new Map(settings) }
    })
    return found[0] ?? { ...NOT_ANSWERED, settings: new Map() }
  },
}
