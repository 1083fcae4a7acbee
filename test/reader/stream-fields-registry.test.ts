import { describe } from 'vitest'
import { describeStreamFields } from './stream-fields-suite.ts'

describe('fields of derived streams in the registry', () => describeStreamFields())
