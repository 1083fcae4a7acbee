import { standingOf } from '../../src/ingress/gate.ts'
import { decideOpening } from '../../src/link/opening.ts'
import { type Fault, flightOf, MODEL_WINDOW, type Rules } from './state.ts'

/** The rules as they are: what decides is the code itself, where it is pure. */
export const REAL: Rules = {
  decide: decideOpening,
  standing: standingOf,
  flight: state => flightOf(state),
  window: MODEL_WINDOW,
  proofsExpire: true,
  offsetIsJudge: true,
  compares: true,
  deaf: true,
  takeover: true,
  cutOnDisk: true,
  onlyAccepted: true,
}

export type Faults = Partial<Record<Fault, number>>

/** Each with one rule switched off, and faults under which that breaks something. */
export const BROKEN: Readonly<Record<string, { readonly rules: Rules; readonly faults: Faults }>> = {
  'rule 1: a number may be given twice': { rules: { ...REAL, cutOnDisk: false }, faults: { 'gateway killed': 1 } },
  'rule 3: what came back is not sent again': { rules: { ...REAL, onlyAccepted: false }, faults: { 'request lost': 1 } },
  'rule 5: what is ahead passes': {
    rules: { ...REAL, standing: (batch, next) => (batch.sequence > next ? 'next' : standingOf(batch, next)) },
    faults: { 'producer forgotten': 1, 'request lost': 1, 'connection lost': 1 },
  },
  'rule 5: what is stored is appended again': {
    rules: {
      ...REAL,
      standing: (batch, next) => (batch.sequence < next ? 'next' : standingOf(batch, next)),
      offsetIsJudge: false,
    },
    faults: { 'producer forgotten': 1, 'answer lost': 1 },
  },
  'rule 5: proofs last for ever': {
    rules: { ...REAL, proofsExpire: false },
    faults: { 'ingress stopped': 1, 'producer forgotten': 1 },
  },
  'rule 6: a log that lost its tail is taken as it is': {
    rules: {
      ...REAL,
      decide: (known, told, own) => {
        const decision = decideOpening(known, told, own)
        return decision.kind === 'rewind' ? { kind: 'settle', end: known.settled } : decision
      },
    },
    faults: { 'tail lost': 1 },
  },
  'rule 6: goes back one too few': {
    rules: {
      ...REAL,
      decide: (known, told, own) => {
        const decision = decideOpening(known, told, own)
        return decision.kind === 'rewind' ? { kind: 'rewind', end: decision.end + 1 } : decision
      },
    },
    faults: { 'tail lost': 1 },
  },
  'rule 6: a clone that cut the same numbers is not told from its original': {
    rules: { ...REAL, compares: false },
    faults: { clone: 1 },
  },
  'section 4: outcomes of older sessions are listened to': {
    rules: { ...REAL, deaf: false },
    faults: { 'connection lost': 1, 'tail lost': 1 },
  },
}

/** What a check searches to the end. */
export const SEARCHED: readonly Faults[] = [
  {},
  { 'connection lost': 1 },
  { 'ingress killed': 1, 'answer lost': 1 },
  { 'gateway killed': 1, 'answer lost': 1 },
  { 'ingress stopped': 1, 'producer forgotten': 1 },
  { 'request lost': 1, 'producer forgotten': 1, 'answer lost': 1 },
  { 'tail lost': 1 },
  { 'tail lost': 1, 'ingress killed': 1 },
  { 'tail lost': 1, intruder: 1 },
  { intruder: 1 },
  { clone: 1, 'connection lost': 1 },
]
