/** Loaded with --import before the tests of somebody's analysers: they import `headrace/analyser` like the analysers themselves. */
import { offerAnalyserApi } from './analyser-api.ts'

offerAnalyserApi()
