import { describe, inject } from 'vitest'
import { describeBatchKill } from '../fault/batch-kill-suite.ts'
import { describeConsumerGroup } from '../reader/consumer-group-suite.ts'
import { describePositions } from '../reader/positions-suite.ts'
import { describeRetention } from '../reader/retention-suite.ts'
import { describeScheduler } from '../reader/scheduler-suite.ts'
import { describeStreamFields } from '../reader/stream-fields-suite.ts'
import { describeWaitFor } from '../reader/wait-for-suite.ts'

const brokers = () => inject('kafkaBootstrap').split(',')

/** The suites that run over the embedded log, over a real broker. */
describe('batch jobs on Kafka', () => {
  describe('their consumer group', () => describeConsumerGroup(brokers))
  describe('where they stand', () => describePositions(brokers))
  describe('what is deleted', () => describeRetention(brokers))
  describe('when they run', () => describeScheduler(brokers))
  describe('what they wait for', () => describeWaitFor(brokers))
  describe('fields of derived streams', () => describeStreamFields(brokers))
  describe('kill -9', () => describeBatchKill(brokers))
})
