import { describe } from 'vitest'
import { describeScheduler } from './scheduler-suite.ts'
import { describeWaitFor } from './wait-for-suite.ts'

describe('when jobs run', () => describeScheduler())
describe('what they wait for', () => describeWaitFor())
