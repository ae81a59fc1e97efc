// What the tests and the runner share: a Jenkinsfile with the real shared library under JenkinsPipelineUnit, and the steps that only wrap others. Knows no step
// that does something.
import com.lesfurets.jenkins.unit.BasePipelineTest
import com.lesfurets.jenkins.unit.global.lib.LibraryConfiguration
import com.lesfurets.jenkins.unit.global.lib.SourceRetriever

class Library extends BasePipelineTest {
    static final SourceRetriever PIPELINE = { String name, String version, String target ->
        [new File(System.getProperty('pipeline', '../../pipeline')).toURI().toURL()]
    } as SourceRetriever

    /** Ready to load Jenkinsfiles of this folder. */
    void open(File folder) {
        scriptRoots = [folder.absolutePath] as String[]
        super.setUp()
        helper.callStack = Collections.synchronizedList([])
        helper.registerSharedLibrary(LibraryConfiguration.library('mlops').defaultVersion('main').retriever(PIPELINE).targetPath('.').build())
        for (name in ['agent', 'nonresumable']) {
            String condition = name
            allow(condition, []) { condition }
        }
        allow('properties', [List]) { null }
        allow('disableConcurrentBuilds', [Map]) { it }
        allow('timestamps', [Closure]) { Closure body -> helper.callClosure(body) }
        allow('usernamePassword', [Map]) { Map given -> [type: 'usernamePassword'] + given }
        allow('file', [Map]) { Map given -> [type: 'file'] + given }
        allow('string', [Map]) { Map given -> [type: 'string'] + given }
        allow('error', [String]) { String message -> throw new IllegalStateException(message) }
    }

    void allow(String step, List<Class> parameters, Closure body) {
        helper.registerAllowedMethod(step, parameters, body)
    }
}
