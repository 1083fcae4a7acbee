import { describe } from 'vitest'
import { describeDeadLetters } from './dead-letters-suite.ts'

describe('dead letters', () => describeDeadLetters())
