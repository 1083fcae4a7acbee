import { standingOf } from '../../src/ingress/gate.ts'
import { decideOpening } from '../../src/link/opening.ts'
import { flightOf, MODEL_WINDOW, type Rules } from './state.ts'

export const REAL: Rules = {
  decide: decideOpening,
  standing: standingOf,
  flight: state => flightOf(state),
  window: MODEL_WINDOW,
  proofsExpire: true,
  offsetIsJudge: true,
  deaf: true,
  takeover: true,
  cutOnDisk: true,
  onlyAccepted: true,
}
