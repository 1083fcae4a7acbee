import { describeScheduler } from './scheduler-suite.ts'

describeScheduler()
