;;; Eglot with the documented configuration: ask by command, accept by code action, the text is right. -*- lexical-binding: t -*-

(load (getenv "LAB_CONFIG") nil t)
(setq native-comp-jit-compilation nil
      native-comp-enable-subr-trampolines nil
      make-backup-files nil)

(defun lab-wait (what ready)
  "Wait until READY answers something; fail with WHAT."
  (let ((start (float-time)) found)
    (while (not (setq found (funcall ready)))
      (when (> (- (float-time) start) 30)
        (error "Waited in vain for %s; the text is %s, the diagnostics are %S" what (buffer-string) (flymake-diagnostics)))
      ;; Batch Emacs is never idle, and Eglot sends changes when Emacs is.
      (when (eglot-current-server)
        (eglot--signal-textDocument/didChange))
      (accept-process-output nil 0.02)
      (sit-for 0.02))
    found))

(defun lab-line (n)
  (save-excursion
    (goto-char (point-min))
    (forward-line (1- n))
    (buffer-substring (point) (line-end-position))))

(defun lab-hunks ()
  "The code actions that accept, by line."
  (seq-filter (lambda (diagnostic) (string-match-p "agent -" (flymake-diagnostic-text diagnostic))) (flymake-diagnostics)))

(defun lab-choose (wanted)
  "Take WANTED from the menu of code actions, as the user has it."
  (cl-letf ((last-nonmenu-event ?a)
            ((symbol-function 'completing-read)
             (lambda (_prompt table &rest _)
               (or (seq-find (lambda (title) (equal wanted title)) (all-completions "" table))
                   (error "The menu has only %S" (all-completions "" table))))))
    (call-interactively #'eglot-code-actions)))

(find-file "list.txt")
(call-interactively #'eglot)
(lab-wait "the server" #'eglot-current-server)
(flymake-mode 1)
(goto-char (point-min))
(forward-line 14)
(end-of-line)
(insert " unsaved")
(undo-boundary)
(countersign-ask "Mark three lines.")
(lab-wait "three hunks" (lambda () (flymake-start) (= (length (lab-hunks)) 3)))

;; Accept one by the menu.
(goto-char (point-min))
(forward-line 14)
(let ((start (float-time)))
  (lab-choose "Accept change")
  (when (> (- (float-time) start) 1.5)
    (error "Accepting held Emacs up for %.2f s" (- (float-time) start))))
(lab-wait "the accepted text" (lambda () (equal (lab-line 15) "line 15 unsaved, second")))
(lab-wait "two hunks" (lambda () (flymake-start) (= (length (lab-hunks)) 2)))
(unless (equal (lab-line 3) "line 3")
  (error "A pending hunk stands in the text"))

;; One undo takes it back.
(undo-boundary)
(let ((last-command 'ignore))
  (undo))
(unless (equal (lab-line 15) "line 15 unsaved")
  (error "After undo line 15 is %s" (lab-line 15)))

;; The rest at once, with the new file.
(goto-char (point-min))
(forward-line 2)
;; Eglot asks before it touches files that are not visited, and makes no folders.
(make-directory "sub")
(fset 'y-or-n-p #'always)
(lab-choose "Accept all")
(lab-wait "the rest" (lambda () (equal (lab-line 3) "line 3, first")))
(lab-wait "the new file" (lambda () (get-file-buffer "sub/new.txt")))
(with-current-buffer (get-file-buffer "sub/new.txt")
  (unless (equal (buffer-string) "one\ntwo\n")
    (error "The new file is %S" (buffer-string)))
  (set-buffer-modified-p nil))
(lab-wait "no hunk" (lambda () (flymake-start) (null (lab-hunks))))
(set-buffer-modified-p nil)
(eglot-shutdown (eglot-current-server))
