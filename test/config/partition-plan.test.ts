import { describe, expect, test } from 'vitest'
import { kafkaAcls } from '../../src/cli/kafka-acls.ts'
import { planPartitions } from '../../src/cli/partition-plan.ts'
import { loadPipelines } from '../../src/config/load.ts'

const pipelines = loadPipelines([new URL('../../pipelines/cold-store.yaml', import.meta.url).pathname])
const sources = Object.keys(pipelines[0]?.config.sources ?? {}).length

describe('what pipelines cost a cluster', () => {
  const plan = (gateways: number, more: object = {}) =>
    planPartitions({
      pipelines: pipelines.map(pipeline => ({ pipeline, gateways })),
      brokers: 3,
      replication: 3,
      replicasPerBroker: 4_000,
      ...more,
    })

  test('a partition for each source of each gateway, in as many copies as there are replicas, and those of its alerts', () => {
    const data = sources * 8
    expect(plan(8).topics).toEqual([
      { topic: 'cold-store', sources: data, partitions: data, replicas: data * 3 },
      { topic: 'cold-store-alerts', sources: 1, partitions: 8, replicas: 24 },
    ])
    expect(plan(8)).toMatchObject({ fits: true, advice: [], replicas: (data + 8) * 3 + plan(8).own.replicas })
  })

  test('more than the brokers carry is said, with how many would', () => {
    const large = plan(4_000)
    expect(large.fits).toBe(false)
    expect(large.brokersNeeded).toBe(Math.ceil(large.replicas / 4_000))
    expect(large.advice).toHaveLength(2)
    expect(plan(4_000, { brokers: large.brokersNeeded }).fits).toBe(true)
  })

  test('one broker holds one copy, whatever is asked for, and that is said', () => {
    const alone = plan(8, { brokers: 1 })
    expect(alone.topics[0]?.replicas).toBe(sources * 8)
    expect(alone.advice).toEqual(['1 broker holds 1 of the 3 copies that were asked for.'])
  })
})

describe('who may do what', () => {
  const principals = { core: 'User:core', reader: 'User:reader' }

  test('a reader writes nothing, and sees nothing of how claims are made', () => {
    for (const acl of kafkaAcls(pipelines, ['reader'], principals)) {
      expect(acl.operations).toEqual(['Read', 'Describe'])
      expect(acl.resource).not.toContain('headrace.claims')
      expect(acl.pattern).toBe('literal')
    }
  })

  test('a core writes derived streams where they have a topic of their own', () => {
    const [pipeline] = pipelines
    if (!pipeline) throw new Error('no pipeline')
    const stream = { ...Object.values(pipeline.config.analysers)[0], stream: { name: 'hourly', topic: 'hourly-means' } }
    const config = { ...pipeline.config, analysers: { hourly: stream } } as typeof pipeline.config
    const acls = kafkaAcls([{ ...pipeline, config }], ['core'], principals)
    expect(acls.flatMap(({ resource }) => resource)).toContain('hourly-means')
  })

  test('a core writes to its own topics and those of its pipelines, by name', () => {
    const written = kafkaAcls(pipelines, ['core'], principals).filter(({ operations }) => operations.includes('Write'))
    expect(written.map(({ resource, pattern }) => [resource, pattern])).toEqual([
      [['--topic', 'headrace.'], 'prefixed'],
      [['--topic', 'cold-store', '--topic', 'cold-store-alerts'], 'literal'],
    ])
  })
})
