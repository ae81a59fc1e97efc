// Jenkins' own class of this name, as far as the shared library looks at it: what a build throws that was stopped, refused or too late. Jenkins' plugins
// are not in Maven's central repository.
package org.jenkinsci.plugins.workflow.steps

class FlowInterruptedException extends InterruptedException {
    final String result = 'ABORTED'
    final List causes

    FlowInterruptedException(Object cause) {
        super("stopped: ${cause}")
        causes = [cause]
    }

    static class ExceededTimeout {
        String toString() { 'Timeout has been exceeded' }
    }

    static class Rejection {
        String toString() { 'Rejected' }
    }

    static class UserInterruption {
        String toString() { 'Aborted by a user' }
    }
}
