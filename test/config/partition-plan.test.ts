import { describe, expect, test } from 'vitest'
import { kafkaAcls } from '../../src/cli/kafka-acls.ts'
import { planPartitions } from '../../src/cli/partition-plan.ts'
import { loadPipelines } from '../../src/config/load.ts'

const pipelines = loadPipelines([new URL('../../pipelines/cold-store.yaml', import.meta.url).pathname])
const sources = Object.keys(pipelines[0]?.config.sources ?? {}).length

describe('what pipelines cost a cluster', () => {
  const input = { pipelines, brokers: 3, replication: 3, replicasPerBroker: 4_000 }

  test('a partition for each source of each gateway, in as many copies as there are replicas', () => {
    const plan = planPartitions({ ...input, gateways: 8 })
    expect(plan.topics).toEqual([
      { topic: 'cold-store', sources: sources * 8, partitions: sources * 8, replicas: sources * 8 * 3 },
    ])
    expect(plan).toMatchObject({ fits: true, advice: [] })
  })

  test('more than the brokers carry is said, with how many would', () => {
    const plan = planPartitions({ ...input, gateways: 4_000 })
    expect(plan.fits).toBe(false)
    expect(plan.brokersNeeded).toBe(Math.ceil(plan.replicas / 4_000))
    expect(plan.advice).toHaveLength(2)
    expect(planPartitions({ ...input, gateways: 4_000, brokers: plan.brokersNeeded }).fits).toBe(true)
  })

  test('one broker holds one copy, whatever is asked for', () => {
    expect(planPartitions({ ...input, gateways: 8, brokers: 1 }).topics[0]?.replicas).toBe(sources * 8)
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

  test('a core writes to its own topics and those of its pipelines, by name', () => {
    const written = kafkaAcls(pipelines, ['core'], principals).filter(({ operations }) => operations.includes('Write'))
    expect(written.map(({ resource, pattern }) => [resource, pattern])).toEqual([
      [['--topic', 'headrace.'], 'prefixed'],
      [['--topic', 'cold-store', '--topic', 'cold-store-alerts'], 'literal'],
    ])
  })
})
