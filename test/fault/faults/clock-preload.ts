/** Loaded before a program (`--import`): its wall clock goes wrong by as many ms as HEADRACE_TEST_CLOCK, or the file that it names, says. */
import { existsSync, readFileSync } from 'node:fs'
import { CLOCK_VARIABLE } from './clocks.ts'

const said = process.env[CLOCK_VARIABLE] ?? ''
const shiftMs = Number(existsSync(said) ? readFileSync(said, 'utf8') : /^-?\d+$/.test(said) ? said : 0)
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
