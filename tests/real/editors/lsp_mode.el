;;; lsp-mode with the documented configuration: ask, accept, reject and commit by the menu and documents. -*- lexical-binding: t -*-

(setq lsp-auto-guess-root t
      lsp-session-file (expand-file-name "lsp-session" (getenv "HOME"))
      lsp-server-install-dir (getenv "HOME")
      lsp-enable-file-watchers nil
      lsp-enable-suggest-server-download nil
      lsp-diagnostics-provider :flymake
      lsp-warn-no-matched-clients nil)
;; As a package manager does.
(load "lsp-mode-autoloads" nil t)
(load (expand-file-name "emacs_lab" (file-name-directory load-file-name)) nil t)
(fset 'y-or-n-p #'lab-no-dialog)

(defvar lab-file nil)

(defun lab-titles ()
  (mapcar #'lsp:code-action-title (lsp-code-actions-at-point)))

(defun lab-on-line (n title)
  "Take TITLE from the menu on line N of the file, as the user has it."
  (set-buffer lab-file)
  (goto-char (point-min))
  (forward-line (1- n))
  (lab-wait title (lambda () (member title (lab-titles))))
  (cl-letf (((symbol-function 'completing-read) (lab-pick title)))
    (call-interactively #'lsp-execute-code-action)))

(find-file "list.txt")
(setq lab-file (current-buffer))
(lsp)
(lab-wait "the server" (lambda () (seq-find (lambda (it) (eq 'initialized (lsp--workspace-status it))) (lsp-workspaces))))

;; Nothing asks for the menu while the cursor rests.
(run-hooks 'lsp-on-idle-hook)
(when (memq 'lsp-modeline--check-code-actions lsp-on-idle-hook)
  (error "The mode line would count what can be asked"))

;; What people have in their `before-save-hook' starts nothing either.
(add-hook 'before-save-hook
          (lambda ()
            (dolist (kind lab-kinds)
              (ignore-errors (lsp-execute-code-action-by-kind kind))))
          nil t)
(insert "typed\n")
(save-buffer)
(delete-region (point-min) (progn (goto-char (point-min)) (forward-line 1) (point)))
(save-buffer)

(lab-on-line 20 "Ask agent...")
(lab-tick (lab-document "ask-") "send" "Mark two lines.")
(lab-on-line 15 "Reject with a reason...")
(lab-tick (lab-document "reason-") "send" "fifteen is fine")
(lab-wait "the rejection"
          (lambda ()
            (goto-char (point-min))
            (forward-line 14)
            (not (member "Reject change" (lab-titles)))))
;; The new file is not open: lsp-mode would ask in the middle of making it.
(lab-on-line 3 "Accept all")
(lab-wait "the accepted text" (lambda () (equal (lab-line 3) "line 3, first")))
(lab-wait "the new file" (lambda () (file-exists-p "made.txt")))
(save-buffer)
(let ((head (lab-git "rev-parse" "HEAD")))
  (lab-on-line 20 "Commit accepted changes...")
  (lab-tick (lab-document "question-") "Commit")
  (lab-wait "the commit" (lambda () (not (equal head (lab-git "rev-parse" "HEAD"))))))
(lab-on-line 20 "Push...")
(let ((question (lab-document "question-")))
  (with-current-buffer question
    (goto-char (point-min))
    (search-forward "git push origin"))
  (lab-tick question "Close this question"))
(set-buffer lab-file)
(lab-wait "the end of the question"
          (lambda () (not (seq-find (lambda (title) (string-prefix-p "Show question" title)) (lab-titles)))))
(lab-on-line 20 "Take back accepted changes")
(lab-wait "the text before" (lambda () (equal (lab-line 3) "line 3")))
(set-buffer-modified-p nil)
(lsp-disconnect)
