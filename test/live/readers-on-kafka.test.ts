import { describe, inject } from 'vitest'
import { describeBatchKill } from '../fault/batch-kill-suite.ts'
import { describeConsumerGroup } from '../reader/consumer-group-suite.ts'
import { describeDeadLetters } from '../reader/dead-letters-suite.ts'

const brokers = () => inject('kafkaBootstrap').split(',')

/** The main paths; `readers-on-kafka.full.test.ts` has the rest. */
describe('batch jobs on Kafka', () => {
  describe('their consumer group', () => describeConsumerGroup(brokers))
  describe('dead letters', () => describeDeadLetters(brokers))
  describe('kill -9 between outputs and offset', () => describeBatchKill(brokers, ['published']))
})
