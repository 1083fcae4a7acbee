import { describe } from 'vitest'
import { describeConsumerGroup } from './consumer-group-suite.ts'
import { describePositions } from './positions-suite.ts'

describe('the consumer group', () => describeConsumerGroup())
describe('where a job stands', () => describePositions())
