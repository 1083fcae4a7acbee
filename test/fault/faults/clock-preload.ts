/** Loaded before a program (`--import`): its wall clock goes wrong by as many ms as the file named in HEADRACE_TEST_CLOCK says. */
import { readFileSync } from 'node:fs'
import { CLOCK_FILE_VARIABLE } from './clocks.ts'

const shiftMs = Number(readFileSync(process.env[CLOCK_FILE_VARIABLE] ?? '', 'utf8'))
const RealDate = Date

class ShiftedDate extends RealDate {
  constructor(...given: [] | ConstructorParameters<DateConstructor>) {
    if (given.length === 0) super(RealDate.now() + shiftMs)
    else super(...given)
  }

  static override now(): number {
    return RealDate.now() + shiftMs
  }
}

globalThis.Date = ShiftedDate as DateConstructor
